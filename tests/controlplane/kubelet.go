package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// kubelet is what KWOK does not do of a kubelet: it serves logs, and looks whether what pods refer to exists.
type kubelet struct {
	client kubernetes.Interface
	port   int
}

func serveKubelet(cluster *cluster, ca *authority, port int) (*kubelet, error) {
	client, err := kubernetes.NewForConfig(cluster.config)
	if err != nil {
		return nil, err
	}
	certificate, err := tls.LoadX509KeyPair(ca.path("kubelet.crt"), ca.path("kubelet.key"))
	if err != nil {
		return nil, err
	}
	caPEM, err := os.ReadFile(ca.path("ca.crt"))
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(caPEM)
	// The port is kept over a restart while it is free: nodes name it in their status.
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	k := &kubelet{client, listener.Addr().(*net.TCPAddr).Port}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.logs)
	server := &http.Server{Handler: mux, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
	}}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return k, nil
}

func (k *kubelet) logs(w http.ResponseWriter, r *http.Request) {
	pod, err := k.client.CoreV1().Pods(r.PathValue("namespace")).Get(r.Context(), r.PathValue("pod"), metav1.GetOptions{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	query := r.URL.Query()
	text, err := containerLog(pod, r.PathValue("container"), query.Get("previous") == "true")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text = since(text, query.Get("sinceSeconds"), query.Get("sinceTime"))
	if tail, err := strconv.Atoi(query.Get("tailLines")); err == nil {
		text = text[max(0, len(text)-tail):]
	}
	var out strings.Builder
	for _, line := range text {
		if query.Get("timestamps") == "true" {
			out.WriteString(line.at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " ")
		}
		out.WriteString(line.text + "\n")
	}
	body := out.String()
	if limit, err := strconv.Atoi(query.Get("limitBytes")); err == nil {
		body = body[:min(len(body), limit)]
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(body))
}

type logLine struct {
	at   time.Time
	text string
}

func since(lines []logLine, seconds, at string) []logLine {
	var from time.Time
	if n, err := strconv.Atoi(seconds); err == nil {
		from = time.Now().Add(-time.Duration(n) * time.Second)
	}
	if t, err := time.Parse(time.RFC3339, at); err == nil && t.After(from) {
		from = t
	}
	var kept []logLine
	for _, line := range lines {
		if !line.at.Before(from) {
			kept = append(kept, line)
		}
	}
	return kept
}

// containerLog is what the container wrote, or the kubelet's refusal in its words.
func containerLog(pod *corev1.Pod, name string, previous bool) ([]logLine, error) {
	var spec *corev1.Container
	index := 0
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == name {
			spec, index = &pod.Spec.Containers[i], i
		}
	}
	var status *corev1.ContainerStatus
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == name {
			status = &pod.Status.ContainerStatuses[i]
		}
	}
	if spec == nil || status == nil {
		return nil, fmt.Errorf("container %q in pod %q is not available", name, pod.Name)
	}
	ended := status.State.Terminated
	if previous || (status.State.Waiting != nil && status.LastTerminationState.Terminated != nil) {
		ended = status.LastTerminationState.Terminated
	}
	switch {
	case previous && ended == nil:
		return nil, fmt.Errorf("previous terminated container %q in pod %q not found", name, pod.Name)
	case ended != nil:
		return written(pod, spec, index, ended.StartedAt.Time, ended.FinishedAt.Time, ended), nil
	case status.State.Running != nil:
		return written(pod, spec, index, status.State.Running.StartedAt.Time, time.Now(), nil), nil
	}
	switch reason := status.State.Waiting.Reason; reason {
	case "ErrImagePull":
		return nil, fmt.Errorf("container %q in pod %q is waiting to start: image can't be pulled", name, pod.Name)
	case "ImagePullBackOff":
		return nil, fmt.Errorf("container %q in pod %q is waiting to start: trying and failing to pull image", name, pod.Name)
	case "":
		return nil, errors.New("no logs yet")
	default:
		return nil, fmt.Errorf("container %q in pod %q is waiting to start: %v", name, pod.Name, reason)
	}
}

// logAnnotation holds what the first container of a pod writes, instead of what its program would say by itself.
const logAnnotation = "kubelet.test/log"

func written(pod *corev1.Pod, spec *corev1.Container, index int, from, to time.Time, ended *corev1.ContainerStateTerminated) []logLine {
	if ended != nil && ended.Reason == "StartError" {
		return nil
	}
	var lines []string
	if text := pod.Annotations[logAnnotation]; text != "" && index == 0 {
		lines = strings.Split(strings.TrimRight(text, "\n"), "\n")
	} else {
		lines = program(spec, ended)
	}
	step := to.Sub(from) / time.Duration(len(lines)+1)
	out := make([]logLine, len(lines))
	for i, line := range lines {
		out[i] = logLine{from.Add(step * time.Duration(i+1)), line}
	}
	return out
}

// program says what the pretended program writes.
func program(spec *corev1.Container, ended *corev1.ContainerStateTerminated) []string {
	serving := []string{"level=info msg=\"starting\"", "level=info msg=\"listening\" port=8080"}
	if ended == nil {
		return append(serving, "level=info msg=\"request\" method=GET path=/healthz status=200")
	}
	all := append(append([]string{}, spec.Command...), spec.Args...)
	switch {
	case ended.Reason == "OOMKilled":
		return append(serving[:1], "level=info msg=\"filling cache\"")
	case ended.ExitCode == 127 && len(all) > 2:
		word, _, _ := strings.Cut(all[2], " ")
		return []string{"sh: 1: " + word + ": not found"}
	case ended.ExitCode == 2:
		for _, argument := range spec.Args {
			if flag, _, _ := strings.Cut(strings.TrimLeft(argument, "-"), "="); !strings.Contains(" port listen config memory warmup workers verbose exit-with ", " "+flag+" ") {
				return []string{"flag provided but not defined: -" + flag, "Usage of server:", "  -port int", "    \tport to listen on (default 8080)"}
			}
		}
	case ended.ExitCode == 137:
		return append(serving, "level=info msg=\"received signal\" signal=terminated")
	case ended.ExitCode != 0:
		return append(serving[:1], "level=error msg=\"cannot go on\" error=\"exit requested\"")
	}
	return append(serving, "level=info msg=\"done\"")
}
