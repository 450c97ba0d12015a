package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// The manager that field ownership is recorded under, as `kubectl apply` records its own.
const fieldManager = "kubectl"

// cluster is a connection to the API server as one user.
type cluster struct {
	config    *rest.Config
	dynamic   dynamic.Interface
	discovery discovery.CachedDiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
}

func connect(kubeconfig string) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 2000, 4000
	config.UserAgent = "controlplane"
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	plain, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	cached := memory.NewMemCacheClient(plain)
	return &cluster{config, client, cached, restmapper.NewDeferredDiscoveryRESTMapper(cached)}, nil
}

// objects splits a stream of YAML documents or JSON.
func objects(text string) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), 4096)
	var found []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		if object.Object == nil {
			continue
		}
		if !object.IsList() {
			found = append(found, object)
			continue
		}
		list, err := object.ToList()
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			found = append(found, &list.Items[i])
		}
	}
}

// apply applies objects in the order of their first appearance by kind: what one kind needs must stand before it.
// Objects of the same kind go in parallel.
func (c *cluster) apply(ctx context.Context, text string) error {
	all, err := objects(text)
	if err != nil {
		return err
	}
	for len(all) > 0 {
		same := 1
		for same < len(all) && all[same].GetKind() == all[0].GetKind() {
			same++
		}
		if err := c.applyAll(ctx, all[:same]); err != nil {
			return err
		}
		all = all[same:]
	}
	return nil
}

func (c *cluster) applyAll(ctx context.Context, same []*unstructured.Unstructured) error {
	var wait sync.WaitGroup
	errs := make([]error, len(same))
	slots := make(chan struct{}, 8*runtime.NumCPU())
	for i, object := range same {
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer wait.Done()
			defer func() { <-slots }()
			errs[i] = c.applyOne(ctx, object)
		}()
	}
	wait.Wait()
	return errors.Join(errs...)
}

// applyOne retries what passes by itself: a kind, a namespace or a ServiceAccount that is being made.
func (c *cluster) applyOne(ctx context.Context, object *unstructured.Unstructured) error {
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := c.tryApply(ctx, object)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) || !passes(err) {
			if err != nil {
				return fmt.Errorf("apply %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
			}
			return nil
		}
		if meta.IsNoMatchError(err) {
			c.mapper.Reset()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func passes(err error) bool {
	missingAccount := apierrors.IsForbidden(err) && strings.Contains(err.Error(), "serviceaccount") &&
		strings.Contains(err.Error(), "not found")
	return missingAccount || meta.IsNoMatchError(err) || apierrors.IsNotFound(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err)
}

func (c *cluster) tryApply(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	data, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	force := true
	options := metav1.PatchOptions{FieldManager: fieldManager, Force: &force}
	resource := c.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace := object.GetNamespace()
		if namespace == "" {
			namespace = "default"
		}
		_, err = resource.Namespace(namespace).Patch(ctx, object.GetName(), types.ApplyPatchType, data, options)
		return err
	}
	_, err = resource.Patch(ctx, object.GetName(), types.ApplyPatchType, data, options)
	return err
}

func applyCommand() *cobra.Command {
	var kubeconfig string
	var files []string
	command := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Apply manifests, as kubectl apply --server-side does",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := connect(kubeconfig)
			if err != nil {
				return err
			}
			for _, file := range files {
				text, err := readFileOrStdin(file)
				if err != nil {
					return err
				}
				if err := cluster.apply(cmd.Context(), text); err != nil {
					return err
				}
			}
			return nil
		},
	}
	command.Flags().StringSliceVarP(&files, "filename", "f", nil, "manifests; - is standard input")
	_ = command.MarkFlagRequired("filename")
	kubeconfigFlag(command, &kubeconfig)
	return command
}

func kubeconfigFlag(command *cobra.Command, kubeconfig *string) {
	command.Flags().StringVar(kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "how to reach the API server")
}

func readFileOrStdin(file string) (string, error) {
	if file == "-" {
		text, err := io.ReadAll(os.Stdin)
		return string(text), err
	}
	text, err := os.ReadFile(file)
	return string(text), err
}
