package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// referencesAnnotation says what came of looking for the ConfigMaps and Secrets of a pod: "found", or what a kubelet says.
// A Stage sees nothing but its own pod, so this is how it learns of them.
const referencesAnnotation = "kubelet.test/references"

// watch looks again whenever a pod, a ConfigMap or a Secret changes.
func (k *kubelet) watch(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(k.client, 0, informers.WithTransform(slim))
	pods := factory.Core().V1().Pods().Informer()
	maps := factory.Core().V1().ConfigMaps().Informer()
	secrets := factory.Core().V1().Secrets().Informer()
	var once sync.Mutex
	look := func(pod *corev1.Pod) {
		if pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil || !refers(&pod.Spec) {
			return
		}
		verdict := judge(pod, maps.GetStore(), secrets.GetStore())
		if pod.Annotations[referencesAnnotation] == verdict {
			return
		}
		once.Lock()
		defer once.Unlock()
		patch, _ := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{referencesAnnotation: verdict}}})
		for ctx.Err() == nil {
			_, err := k.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubelet"})
			var status apierrors.APIStatus
			if err == nil || errors.As(err, &status) {
				return
			}
			// The API server was taken away; it comes back.
			time.Sleep(200 * time.Millisecond)
		}
	}
	lookAll := func(namespace string) {
		for _, object := range pods.GetStore().List() {
			if pod := object.(*corev1.Pod); pod.Namespace == namespace {
				look(pod)
			}
		}
	}
	changed := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { lookAll(object.(metav1.Object).GetNamespace()) },
		UpdateFunc: func(_, object any) { lookAll(object.(metav1.Object).GetNamespace()) },
		DeleteFunc: func(object any) {
			if gone, ok := object.(metav1.Object); ok {
				lookAll(gone.GetNamespace())
			}
		},
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	_, _ = maps.AddEventHandler(changed)
	_, _ = secrets.AddEventHandler(changed)
	_, _ = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { look(object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { look(object.(*corev1.Pod)) },
	})
}

// slim keeps of a pod what it refers to, and of a ConfigMap or Secret its keys.
func slim(object any) (any, error) {
	switch object := object.(type) {
	case *corev1.Pod:
		kept := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: object.Name, Namespace: object.Namespace, UID: object.UID, ResourceVersion: object.ResourceVersion,
			DeletionTimestamp: object.DeletionTimestamp,
			Annotations:       map[string]string{referencesAnnotation: object.Annotations[referencesAnnotation]},
		}}
		kept.Spec.NodeName = object.Spec.NodeName
		if refers(&object.Spec) {
			kept.Spec.Containers, kept.Spec.Volumes = object.Spec.Containers, object.Spec.Volumes
		}
		return kept, nil
	case *corev1.ConfigMap:
		object.ManagedFields = nil
		for key := range object.Data {
			object.Data[key] = ""
		}
	case *corev1.Secret:
		object.ManagedFields = nil
		for key := range object.Data {
			object.Data[key] = nil
		}
	}
	return object, nil
}

// refers must say the same as `refers` in stages/lib.jq.
func refers(spec *corev1.PodSpec) bool {
	for i := range spec.Containers {
		if len(spec.Containers[i].EnvFrom) > 0 {
			return true
		}
		for _, env := range spec.Containers[i].Env {
			if env.ValueFrom != nil && (env.ValueFrom.ConfigMapKeyRef != nil || env.ValueFrom.SecretKeyRef != nil) {
				return true
			}
		}
	}
	for _, volume := range spec.Volumes {
		if volume.ConfigMap != nil || volume.Secret != nil {
			return true
		}
	}
	return false
}

// judge looks in the order of a kubelet: volumes are mounted before containers are made.
func judge(pod *corev1.Pod, maps, secrets cache.Store) string {
	for _, volume := range pod.Spec.Volumes {
		if source := volume.ConfigMap; source != nil && !isSet(source.Optional) {
			if _, exists, _ := maps.GetByKey(pod.Namespace + "/" + source.Name); !exists {
				return fmt.Sprintf("MountVolume.SetUp failed for volume %q : configmap %q not found", volume.Name, source.Name)
			}
		}
		if source := volume.Secret; source != nil && !isSet(source.Optional) {
			if _, exists, _ := secrets.GetByKey(pod.Namespace + "/" + source.SecretName); !exists {
				return fmt.Sprintf("MountVolume.SetUp failed for volume %q : secret %q not found", volume.Name, source.SecretName)
			}
		}
	}
	for i := range pod.Spec.Containers {
		if why := judgeContainer(pod.Namespace, &pod.Spec.Containers[i], maps, secrets); why != "" {
			return why
		}
	}
	return "found"
}

func judgeContainer(namespace string, container *corev1.Container, maps, secrets cache.Store) string {
	for _, from := range container.EnvFrom {
		if ref := from.ConfigMapRef; ref != nil && !isSet(ref.Optional) {
			if _, exists, _ := maps.GetByKey(namespace + "/" + ref.Name); !exists {
				return fmt.Sprintf("configmap %q not found", ref.Name)
			}
		}
		if ref := from.SecretRef; ref != nil && !isSet(ref.Optional) {
			if _, exists, _ := secrets.GetByKey(namespace + "/" + ref.Name); !exists {
				return fmt.Sprintf("secret %q not found", ref.Name)
			}
		}
	}
	for _, env := range container.Env {
		if env.ValueFrom == nil {
			continue
		}
		if ref := env.ValueFrom.ConfigMapKeyRef; ref != nil && !isSet(ref.Optional) {
			object, exists, _ := maps.GetByKey(namespace + "/" + ref.Name)
			if !exists {
				return fmt.Sprintf("configmap %q not found", ref.Name)
			}
			if _, has := object.(*corev1.ConfigMap).Data[ref.Key]; !has {
				return fmt.Sprintf("couldn't find key %v in ConfigMap %v/%v", ref.Key, namespace, ref.Name)
			}
		}
		if ref := env.ValueFrom.SecretKeyRef; ref != nil && !isSet(ref.Optional) {
			object, exists, _ := secrets.GetByKey(namespace + "/" + ref.Name)
			if !exists {
				return fmt.Sprintf("secret %q not found", ref.Name)
			}
			if _, has := object.(*corev1.Secret).Data[ref.Key]; !has {
				return fmt.Sprintf("couldn't find key %v in Secret %v/%v", ref.Key, namespace, ref.Name)
			}
		}
	}
	return ""
}

func isSet(flag *bool) bool { return flag != nil && *flag }
