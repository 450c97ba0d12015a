// Command controlplane runs a real Kubernetes control plane on loopback for tests: etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler, compiled into one binary, with KWOK beside it in the kubelets' place. It
// also carries what tests need around it where there is no kubectl: apply, export, OpenShift's kinds, scenarios.
//
// It is no cluster for anything but tests: etcd does not sync to disk, and nothing runs in the pods.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// The flags of the components are global to their process, so each runs in its own, of this same binary.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func init() {
	// The kernel's parent-death signal follows the thread that started a child; the main goroutine starts them all.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) > 1 {
		if build, ok := components[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			os.Exit(cli.Run(build()))
		}
	}
	root := &cobra.Command{
		Use:           "controlplane",
		Short:         "A real Kubernetes control plane on loopback, for tests",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(upCommand(), runCommand(), playCommand(), applyCommand(), churnCommand(), exportCommand(), crdsCommand(), removeCRDsCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}
