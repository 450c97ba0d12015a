package main

import (
	"net"
	"net/http"
	"strings"
	"syscall"
)

const (
	sigStop     = syscall.SIGSTOP
	sigContinue = syscall.SIGCONT
)

// command is something a test asks of the control plane itself.
type command struct {
	what string
	done chan error
}

// serveControl answers POST /api/down, /api/up (on the same port, waits until ready), /api/freeze (accepts connections and
// stays silent) and /api/thaw on a loopback port of its own.
func serveControl(commands chan<- command) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.Error(w, "POST only", http.StatusMethodNotAllowed)
			return
		}
		command := command{strings.TrimPrefix(r.URL.Path, "/"), make(chan error, 1)}
		commands <- command
		if err := <-command.done; err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	go func() { _ = http.Serve(listener, handler) }()
	return "http://" + listener.Addr().String(), nil
}
