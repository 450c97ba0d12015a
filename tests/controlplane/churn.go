package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

func churnCommand() *cobra.Command {
	var kubeconfig, namespace string
	var rate float64
	var length time.Duration
	var replace bool
	command := &cobra.Command{
		Use:   "churn",
		Short: "Change pods at a steady rate: a label each, or with --replace delete them for their owners to make anew",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			cluster, err := connect(kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(cluster.config)
			if err != nil {
				return err
			}
			tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
			defer tick.Stop()
			var pods []corev1.Pod
			done := 0
			for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
				if len(pods) == 0 {
					list, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 2000})
					if err != nil {
						return err
					}
					if pods = list.Items; len(pods) == 0 {
						return errors.New("there are no pods to change")
					}
					rand.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
				}
				pod := pods[0]
				pods = pods[1:]
				if replace {
					err = client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{})
				} else {
					patch := fmt.Appendf(nil, `{"metadata":{"labels":{"churn":%q}}}`, strconv.FormatInt(time.Now().UnixMilli(), 10))
					_, err = client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
				}
				if err != nil && !apierrors.IsNotFound(err) {
					return err
				}
				done++
			}
			fmt.Printf("%d pods changed in %s\n", done, length)
			return nil
		},
	}
	command.Flags().StringVarP(&namespace, "namespace", "n", "", "only pods of this namespace")
	command.Flags().Float64Var(&rate, "rate", 20, "changes a second")
	command.Flags().DurationVar(&length, "for", time.Minute, "how long")
	command.Flags().BoolVar(&replace, "replace", false, "delete pods instead of labelling them")
	kubeconfigFlag(command, &kubeconfig)
	return command
}
