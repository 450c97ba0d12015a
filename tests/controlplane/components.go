package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What writes is kept with its body, so that a test can compare; what reads is kept as a line, so that it can count.
// The components' own traffic is left out: it is most of the log and no test asks for it.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:apiserver", "test:controller-manager", "test:scheduler", "test:kubelets", "test:plane"]
- level: None
  nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"]
- level: Request
  verbs: [create, update, patch, delete, deletecollection]
- level: Metadata
`

// startAPI starts the API server on its port and waits for it; again, when it was taken away.
func (p *plane) startAPI(ctx context.Context) error {
	policy := filepath.Join(p.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	args := []string{
		"kube-apiserver",
		"--audit-policy-file=" + policy, "--audit-log-path=" + filepath.Join(p.dir, "audit.log"),
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", p.facts.Ports.Etcd),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", p.facts.Ports.API),
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--tls-cert-file=" + p.ca.path("apiserver.crt"), "--tls-private-key-file=" + p.ca.path("apiserver.key"),
		"--client-ca-file=" + p.ca.path("ca.crt"), "--token-auth-file=" + filepath.Join(p.dir, "tokens.csv"),
		"--kubelet-client-certificate=" + p.ca.path("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + p.ca.path("apiserver-kubelet-client.key"),
		"--kubelet-certificate-authority=" + p.ca.path("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--authorization-mode=RBAC", "--allow-privileged=true",
		"--service-account-key-file=" + p.ca.path("service-accounts.crt"),
		"--service-account-signing-key-file=" + p.ca.path("service-accounts.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
		"--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000",
		"--shutdown-delay-duration=0s", "--shutdown-watch-termination-grace-period=0s",
	}
	if p.featureGates != "" {
		args = append(args, "--feature-gates="+p.featureGates)
	}
	var err error
	if p.api, err = start(p.dir, "kube-apiserver", "/proc/self/exe", args...); err != nil {
		return err
	}
	return p.ready(ctx)
}

// startOthers starts what acts: the controllers, the scheduler and KWOK. Default limits of the clients are too low for
// thousands of pods.
func (p *plane) startOthers() error {
	logins := map[string]string{}
	for _, name := range []string{"controller-manager", "scheduler", "kubelets"} {
		path, err := p.componentKubeconfig("test:" + name)
		if err != nil {
			return err
		}
		logins[name] = path
	}
	manager, err := start(p.dir, "kube-controller-manager", "/proc/self/exe", "kube-controller-manager",
		"--kubeconfig="+logins["controller-manager"], "--service-account-private-key-file="+p.ca.path("service-accounts.key"),
		"--root-ca-file="+p.ca.path("ca.crt"), "--use-service-account-credentials=false", "--leader-elect=false",
		"--bind-address=127.0.0.1", "--secure-port=0", "--node-monitor-grace-period="+p.nodeGrace.String(),
		"--node-monitor-period=2s", "--kube-api-qps=2000", "--kube-api-burst=4000",
		"--concurrent-replicaset-syncs=20", "--concurrent-deployment-syncs=20")
	if err != nil {
		return err
	}
	p.others = append(p.others, manager)
	scheduler, err := start(p.dir, "kube-scheduler", "/proc/self/exe", "kube-scheduler",
		"--kubeconfig="+logins["scheduler"], "--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0",
		"--kube-api-qps=2000", "--kube-api-burst=4000")
	if err != nil {
		return err
	}
	p.others = append(p.others, scheduler)
	return p.startKWOK(logins["kubelets"])
}

func (p *plane) startKWOK(kubeconfig string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	path := filepath.Join(filepath.Dir(self), "kwok")
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("KWOK is not beside this binary; tests/controlplane/build makes both: %w", err)
	}
	stages, err := writeStages(p.dir, p.quiet)
	if err != nil {
		return err
	}
	// Its own server would take the port of ours that the nodes name.
	free, err := freePorts(1)
	if err != nil {
		return err
	}
	args := []string{
		"-v=WARN", fmt.Sprintf("--server-address=127.0.0.1:%d", free[0]), "--kubeconfig=" + kubeconfig, "--manage-all-nodes=false",
		// A node with this label has a kubelet that stopped: nobody renews its lease.
		"--manage-nodes-with-label-selector=" + stoppedLabel + "!=true",
		"--node-lease-duration-seconds=40", "--node-ip=127.0.0.1", fmt.Sprintf("--node-port=%d", p.kubelet.port),
		"--cidr=10.244.0.0/16",
	}
	for _, stage := range stages {
		args = append(args, "--config="+stage)
	}
	kwok, err := start(p.dir, "kwok", path, args...)
	if err != nil {
		return err
	}
	p.others = append(p.others, kwok)
	return nil
}

// componentKubeconfig makes a login with all rights for a part of the control plane itself.
func (p *plane) componentKubeconfig(user string) (string, error) {
	name := "component-" + user[len("test:"):]
	if err := p.ca.issue(name, user, []string{"system:masters"}, tenYears); err != nil {
		return "", err
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster: {server: %q, certificate-authority: %q}
users:
- name: %q
  user: {client-certificate: %q, client-key: %q}
contexts:
- name: test
  context: {cluster: test, user: %q}
`, p.facts.Server, p.ca.path("ca.crt"), user, p.ca.path(name+".crt"), p.ca.path(name+".key"), user)
	path := filepath.Join(p.dir, name+".kubeconfig")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// obey carries out a command of the control endpoint.
func (p *plane) obey(ctx context.Context, what string) error {
	switch what {
	case "api/down":
		p.apiIsDown = true
		p.api.stop(3 * time.Second)
		return nil
	case "api/up":
		if !p.apiIsDown {
			return nil
		}
		if err := p.startAPI(ctx); err != nil {
			return err
		}
		p.apiIsDown = false
		return p.writeFacts()
	case "api/freeze":
		return p.api.command.Process.Signal(sigStop)
	case "api/thaw":
		return p.api.command.Process.Signal(sigContinue)
	}
	return fmt.Errorf("no command %q; there are api/down, api/up, api/freeze, api/thaw", what)
}
