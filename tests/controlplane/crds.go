package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var crdResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func crdsCommand() *cobra.Command {
	var kubeconfig string
	command := &cobra.Command{
		Use:       "crds openshift",
		Short:     "Install OpenShift's kinds ClusterOperator, ClusterVersion, MachineConfigPool and Route",
		ValidArgs: []string{"openshift"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return eachCRD(cmd.Context(), kubeconfig, func(ctx context.Context, cluster *cluster, crd *unstructured.Unstructured) error {
				if err := cluster.applyOne(ctx, crd); err != nil {
					return err
				}
				return until(ctx, 20*time.Second, crd.GetName()+" established", func(ctx context.Context) (bool, error) {
					return isEstablished(cluster.dynamic.Resource(crdResource).Get(ctx, crd.GetName(), metav1.GetOptions{}))
				})
			})
		},
	}
	kubeconfigFlag(command, &kubeconfig)
	return command
}

func removeCRDsCommand() *cobra.Command {
	var kubeconfig string
	command := &cobra.Command{
		Use:       "remove-crds openshift",
		Short:     "Remove OpenShift's kinds and their objects",
		ValidArgs: []string{"openshift"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return eachCRD(cmd.Context(), kubeconfig, func(ctx context.Context, cluster *cluster, crd *unstructured.Unstructured) error {
				resource := cluster.dynamic.Resource(crdResource)
				if err := resource.Delete(ctx, crd.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
					return err
				}
				return until(ctx, 30*time.Second, crd.GetName()+" gone", func(ctx context.Context) (bool, error) {
					_, err := resource.Get(ctx, crd.GetName(), metav1.GetOptions{})
					return apierrors.IsNotFound(err), nil
				})
			})
		},
	}
	kubeconfigFlag(command, &kubeconfig)
	return command
}

func eachCRD(ctx context.Context, kubeconfig string, do func(context.Context, *cluster, *unstructured.Unstructured) error) error {
	cluster, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(self), "openshift-crds", "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no manifests in openshift-crds beside this binary; tests/controlplane/build puts them there")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		crds, err := objects(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, crd := range crds {
			// Only the API server of OpenShift approves these; any other asks for the approval in an annotation.
			annotations := crd.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			if strings.HasSuffix(crd.GetName(), ".k8s.io") {
				annotations["api-approved.kubernetes.io"] = "unapproved, for tests"
			}
			crd.SetAnnotations(annotations)
			if err := do(ctx, cluster, crd); err != nil {
				return err
			}
		}
	}
	return nil
}

func isEstablished(crd *unstructured.Unstructured, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, condition := range conditions {
		if fields, ok := condition.(map[string]any); ok && fields["type"] == "Established" && fields["status"] == "True" {
			return true, nil
		}
	}
	return false, nil
}
