package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var nodeResource = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}

// makeNodes makes worker nodes over three zones and waits until they are ready and free of the taint of new nodes.
func (p *plane) makeNodes(ctx context.Context) error {
	if p.nodes == 0 {
		return nil
	}
	var manifests strings.Builder
	for i := range p.nodes {
		name := fmt.Sprintf("worker-%03d", i+1)
		fmt.Fprintf(&manifests, `---
apiVersion: v1
kind: Node
metadata:
  name: %s
  labels:
    kubernetes.io/hostname: %s
    kubernetes.io/os: linux
    kubernetes.io/arch: amd64
    node-role.kubernetes.io/worker: ""
    node.kubernetes.io/instance-type: m8.large
    topology.kubernetes.io/region: eu-1
    topology.kubernetes.io/zone: eu-1%c
spec: {providerID: "test:///eu-1/%s"}
`, name, name, 'a'+rune(i%3), name)
	}
	if err := p.cluster.apply(ctx, manifests.String()); err != nil {
		return err
	}
	return until(ctx, 60*time.Second, "nodes ready", func(ctx context.Context) (bool, error) {
		list, err := p.cluster.dynamic.Resource(nodeResource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		ready := 0
		for i := range list.Items {
			if isUsable(&list.Items[i]) {
				ready++
			}
		}
		return ready >= p.nodes, nil
	})
}

func isUsable(node *unstructured.Unstructured) bool {
	taints, _, _ := unstructured.NestedSlice(node.Object, "spec", "taints")
	conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions")
	for _, condition := range conditions {
		if fields, ok := condition.(map[string]any); ok && fields["type"] == "Ready" {
			return fields["status"] == "True" && len(taints) == 0
		}
	}
	return false
}
