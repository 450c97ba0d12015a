package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// Never in a recording, whoever asks.
var neverExported = []string{"secrets", "componentstatuses"}

// raw reads any path of the API.
func (c *cluster) raw(ctx context.Context, path string) (map[string]any, error) {
	client, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.config.Host+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, response.Status)
	}
	answer := map[string]any{}
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}

func exportCommand() *cobra.Command {
	var kubeconfig, out string
	var without []string
	command := &cobra.Command{
		Use:   "export -o DIR [RESOURCE…]",
		Short: "Write RESOURCE.json for each kind, as kubectl get RESOURCE -A -o json prints it (default: all but Secrets)",
		RunE: func(cmd *cobra.Command, asked []string) error {
			cluster, err := connect(kubeconfig)
			if err != nil {
				return err
			}
			return cluster.export(cmd.Context(), out, asked, append(without, neverExported...))
		},
	}
	command.Flags().StringVarP(&out, "output", "o", "", "the folder to write to")
	command.Flags().StringSliceVar(&without, "without", nil, "resources to leave out, such as leases")
	_ = command.MarkFlagRequired("output")
	kubeconfigFlag(command, &kubeconfig)
	return command
}

func (c *cluster) export(ctx context.Context, out string, asked, without []string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	groups, err := c.discovery.ServerPreferredResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return err
	}
	written := map[string]bool{}
	for _, group := range groups {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			return err
		}
		for _, resource := range group.APIResources {
			name := resource.Name
			skipped := len(asked) > 0 && !slices.Contains(asked, name) || slices.Contains(without, name)
			// Events are served by two groups; the older one comes first, as for kubectl.
			if skipped || written[name] || strings.Contains(name, "/") || !slices.Contains(resource.Verbs, "list") {
				continue
			}
			written[name] = true
			if err := c.exportOne(ctx, out, version.WithResource(name)); err != nil {
				return fmt.Errorf("export %s: %w", name, err)
			}
		}
	}
	for _, name := range asked {
		if !written[name] {
			return errors.New("the API server serves no list of " + name)
		}
	}
	return nil
}

func (c *cluster) exportOne(ctx context.Context, out string, resource schema.GroupVersionResource) error {
	items := []any{}
	options := metav1.ListOptions{Limit: 500}
	for {
		list, err := c.dynamic.Resource(resource).List(ctx, options)
		if err != nil {
			return err
		}
		for i := range list.Items {
			unstructured.RemoveNestedField(list.Items[i].Object, "metadata", "managedFields")
			items = append(items, list.Items[i].Object)
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			break
		}
	}
	text, err := json.MarshalIndent(map[string]any{
		"apiVersion": "v1", "kind": "List", "items": items, "metadata": map[string]any{"resourceVersion": ""},
	}, "", "    ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, resource.Resource+".json"), append(text, '\n'), 0o644)
}
