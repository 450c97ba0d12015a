//go:build tools

package main

// The build copies this module's manifests beside the binary, for `crds openshift`; nothing of its code is linked.
import _ "github.com/openshift/api/route/v1"
