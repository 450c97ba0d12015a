package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Everyone who can sign in. Their kubeconfigs are DIR/kubeconfigs/NAME.
var users = []struct{ name, why string }{
	{"admin", "a client certificate in system:masters"},
	{"viewer", "the ClusterRole view everywhere, and nodes"},
	{"namespaced", "view in the namespaces team-a and team-b, nothing else"},
	{"half", "half of the kinds, cluster-wide"},
	{"nobody", "signs in, and may read nothing"},
	{"expired", "a client certificate that ended a day ago: 401"},
	{"invalid", "a token that nobody issued: 401"},
}

const tenYears = 10 * 365 * 24 * time.Hour

func token() (string, error) {
	raw := make([]byte, 24)
	_, err := rand.Read(raw)
	return hex.EncodeToString(raw), err
}

// tokens reads DIR/tokens.csv, made on the first start.
func tokens(dir string) (map[string]string, error) {
	path := filepath.Join(dir, "tokens.csv")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var lines strings.Builder
		for _, user := range []string{"viewer", "namespaced", "half", "nobody"} {
			secret, err := token()
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&lines, "%s,%s,%s\n", secret, user, user)
		}
		text = []byte(lines.String())
		err = os.WriteFile(path, text, 0o600)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if parts := strings.Split(strings.TrimSpace(line), ","); len(parts) >= 2 {
			found[parts[1]] = parts[0]
		}
	}
	return found, nil
}

// writeKubeconfigs writes one kubeconfig for each user and returns their paths.
func writeKubeconfigs(dir, server string, ca *authority) (map[string]string, error) {
	secrets, err := tokens(dir)
	if err != nil {
		return nil, err
	}
	if err := ca.issue("admin", "admin", []string{"system:masters"}, tenYears); err != nil {
		return nil, err
	}
	if err := ca.issue("expired", "admin", []string{"system:masters"}, -24*time.Hour); err != nil {
		return nil, err
	}
	authorityPEM, err := os.ReadFile(ca.path("ca.crt"))
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "kubeconfigs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for _, user := range users {
		login := &clientcmdapi.AuthInfo{Token: secrets[user.name]}
		switch user.name {
		case "admin", "expired":
			if login.ClientCertificateData, err = os.ReadFile(ca.path(user.name + ".crt")); err != nil {
				return nil, err
			}
			if login.ClientKeyData, err = os.ReadFile(ca.path(user.name + ".key")); err != nil {
				return nil, err
			}
		case "invalid":
			login.Token = "0123456789abcdef0123456789abcdef"
		}
		config := clientcmdapi.NewConfig()
		config.Clusters["test"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: authorityPEM}
		config.AuthInfos[user.name] = login
		config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: user.name}
		config.CurrentContext = "test"
		paths[user.name] = filepath.Join(folder, user.name)
		if err := clientcmd.WriteToFile(*config, paths[user.name]); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// The roles of the users. `half` may read every second kind that aiops watches.
const rbac = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "test:viewer"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "test:nodes"}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "test:viewer-nodes"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "test:nodes"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "test:half"}
rules:
- {apiGroups: [""], resources: [nodes, namespaces, pods, services, resourcequotas], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch]}
- {apiGroups: [batch], resources: [jobs], verbs: [get, list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "test:half"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "test:half"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: half}]
---
apiVersion: v1
kind: Namespace
metadata: {name: team-a}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-b}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: "test:namespaced", namespace: team-a}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: namespaced}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: "test:namespaced", namespace: team-b}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: namespaced}]
`

func grantRights(ctx context.Context, cluster *cluster) error {
	return cluster.apply(ctx, rbac)
}
