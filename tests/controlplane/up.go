package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/rest"
)

// options of one control plane.
type options struct {
	dir          string
	nodes        int
	featureGates string
	nodeGrace    time.Duration
	quiet        bool
	withStdin    bool
}

// plane is a running control plane.
type plane struct {
	options
	ca        *authority
	facts     facts
	etcd      *embed.Etcd
	api       *process
	others    []*process
	cluster   *cluster
	commands  chan command
	kubelet   *kubelet
	apiIsDown bool
}

// facts are written to DIR/plane.json for those who start us.
type facts struct {
	Server      string            `json:"server"`
	Kubeconfigs map[string]string `json:"kubeconfigs"`
	CA          string            `json:"ca"`
	AuditLog    string            `json:"auditLog"`
	Control     string            `json:"control"`
	PID         int               `json:"pid"`
	PIDs        map[string]int    `json:"pids"`
	Ports       ports             `json:"ports"`
}

// ports are kept over a restart, so that kubeconfigs stay valid.
type ports struct {
	API      int `json:"api"`
	Etcd     int `json:"etcd"`
	EtcdPeer int `json:"etcdPeer"`
	Kubelet  int `json:"kubelet"`
}

func (o *options) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.dir, "dir", "", "state directory, created and kept (default: a temporary one)")
	flags.IntVar(&o.nodes, "nodes", 3, "how many worker nodes to make")
	flags.StringVar(&o.featureGates, "feature-gates", "", "feature gates of the API server, such as WatchList=false")
	flags.DurationVar(&o.nodeGrace, "node-grace", 40*time.Second, "how long a node may be silent before it counts as lost")
	flags.BoolVar(&o.quiet, "quiet", false, "no kubelet events for pods that start well (they cost three writes a pod)")
	flags.BoolVar(&o.withStdin, "until-stdin-closes", false, "end when standard input closes: a test process holds it open")
}

func upCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "up",
		Short: "Start a control plane; prints `ready KUBECONFIG` and stays",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPlane(o, func(_ context.Context, p *plane) error {
				fmt.Println("ready", p.facts.Kubeconfigs["admin"])
				return nil
			})
		},
	}
	o.flags(command)
	return command
}

// withPlane starts a plane, calls then, and serves until it is told to end.
func withPlane(o options, then func(context.Context, *plane) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if o.withStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "controlplane-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	p := &plane{options: o, commands: make(chan command)}
	defer p.stop()
	if err := p.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- then(ctx, p) }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if err != nil && ctx.Err() == nil {
				return err
			}
			failed = nil
		case command := <-p.commands:
			command.done <- p.obey(ctx, command.what)
		case <-time.After(500 * time.Millisecond):
			if dead := p.dead(); dead != nil {
				return fmt.Errorf("%s ended by itself:\n%s", dead.name, dead.lastWords(p.dir))
			}
		}
	}
}

func (p *plane) start(ctx context.Context) error {
	var err error
	if p.dir, err = filepath.Abs(p.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	if p.ca, err = openAuthority(filepath.Join(p.dir, "pki")); err != nil {
		return err
	}
	if err := p.issueCertificates(); err != nil {
		return err
	}
	if kept, err := os.ReadFile(filepath.Join(p.dir, "plane.json")); err == nil {
		_ = json.Unmarshal(kept, &p.facts)
	}
	for attempt := 1; ; attempt++ {
		err := p.startOnPorts(ctx)
		if err == nil || attempt == 3 || ctx.Err() != nil {
			if err != nil {
				return err
			}
			break
		}
		p.stop()
		p.facts.Ports = ports{}
	}
	own, err := p.componentKubeconfig("test:plane")
	if err != nil {
		return err
	}
	if p.cluster, err = connect(own); err != nil {
		return err
	}
	if err := grantRights(ctx, p.cluster); err != nil {
		return err
	}
	if p.kubelet, err = serveKubelet(p.cluster, p.ca, p.facts.Ports.Kubelet); err != nil {
		return err
	}
	p.facts.Ports.Kubelet = p.kubelet.port
	if err := p.startOthers(); err != nil {
		return err
	}
	if p.facts.Control, err = serveControl(p.commands); err != nil {
		return err
	}
	p.facts.PID = os.Getpid()
	p.facts.CA, p.facts.AuditLog = p.ca.path("ca.crt"), filepath.Join(p.dir, "audit.log")
	if err := p.writeFacts(); err != nil {
		return err
	}
	go p.kubelet.watch(ctx)
	return p.makeNodes(ctx)
}

func (p *plane) issueCertificates() error {
	return errors.Join(
		p.ca.issue("apiserver", "kube-apiserver", nil, tenYears, "127.0.0.1", "localhost", "10.96.0.1",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc"),
		p.ca.issue("apiserver-kubelet-client", "kube-apiserver", []string{"system:masters"}, tenYears),
		p.ca.issue("kubelet", "kubelet", nil, tenYears, "127.0.0.1"),
		p.ca.issue("service-accounts", "service-accounts", nil, tenYears),
	)
}

func (p *plane) startOnPorts(ctx context.Context) error {
	used := &p.facts.Ports
	if used.API == 0 || !portIsFree(used.API) || !portIsFree(used.Etcd) || !portIsFree(used.EtcdPeer) {
		free, err := freePorts(3)
		if err != nil {
			return err
		}
		used.API, used.Etcd, used.EtcdPeer = free[0], free[1], free[2]
	}
	p.facts.Server = fmt.Sprintf("https://127.0.0.1:%d", used.API)
	var err error
	if p.facts.Kubeconfigs, err = writeKubeconfigs(p.dir, p.facts.Server, p.ca); err != nil {
		return err
	}
	if p.etcd, err = startEtcd(p.dir, used.Etcd, used.EtcdPeer); err != nil {
		return err
	}
	return p.startAPI(ctx)
}

func startEtcd(dir string, port, peer int) (*embed.Etcd, error) {
	local := func(port int) []url.URL {
		return []url.URL{{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}}
	}
	config := embed.NewConfig()
	config.Dir = filepath.Join(dir, "etcd")
	config.LogLevel = "error"
	config.LogOutputs = []string{filepath.Join(dir, "etcd.log")}
	config.UnsafeNoFsync = true
	config.ListenClientUrls, config.AdvertiseClientUrls = local(port), local(port)
	config.ListenPeerUrls, config.AdvertisePeerUrls = local(peer), local(peer)
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case <-time.After(30 * time.Second):
		server.Close()
		return nil, errors.New("etcd did not become ready within 30 s")
	}
}

// ready asks until the API server says that all of it is.
func (p *plane) ready(ctx context.Context) error {
	cluster, err := connect(p.facts.Kubeconfigs["admin"])
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(cluster.config)
	if err != nil {
		return err
	}
	client.Timeout = 2 * time.Second
	return until(ctx, 90*time.Second, "kube-apiserver ready", func(ctx context.Context) (bool, error) {
		if p.api.hasEnded() {
			return false, fatalError{errors.New("kube-apiserver ended:\n" + p.api.lastWords(p.dir))}
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.facts.Server+"/readyz", nil)
		if err != nil {
			return false, err
		}
		response, err := client.Do(request)
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
}

func (p *plane) dead() *process {
	if !p.apiIsDown && p.api.hasEnded() {
		return p.api
	}
	for _, other := range p.others {
		if other.hasEnded() {
			return other
		}
	}
	return nil
}

// stop ends the children before what they speak to.
func (p *plane) stop() {
	for _, other := range p.others {
		other.signal(syscall.SIGTERM)
	}
	for _, other := range p.others {
		other.stop(3 * time.Second)
	}
	p.api.stop(5 * time.Second)
	if p.etcd != nil {
		p.etcd.Close()
	}
	p.others, p.api, p.etcd = nil, nil, nil
}

func (p *plane) writeFacts() error {
	p.facts.PIDs = map[string]int{p.api.name: p.api.pid()}
	for _, other := range p.others {
		p.facts.PIDs[other.name] = other.pid()
	}
	text, err := json.MarshalIndent(p.facts, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(p.dir, "plane.json")
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
