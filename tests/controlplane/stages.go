package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed stages
var stageFiles embed.FS

// stoppedLabel on a node means that its kubelet does not run.
const stoppedLabel = "kubelet.test/stopped"

var useSnippet = regexp.MustCompile(`\{\{-? use "([a-z-]+)" \}\}`)

// writeStages writes the Stage files where KWOK reads them. KWOK knows no shared parts, so they are put in here: lib.jq
// before each query, lib.tpl before each template of a pod, and stages/snippets/NAME.tpl where a template says so.
func writeStages(dir string, quiet bool) ([]string, error) {
	queries, err := stageFiles.ReadFile("stages/lib.jq")
	if err != nil {
		return nil, err
	}
	parts, err := stageFiles.ReadFile("stages/lib.tpl")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(stageFiles, "stages/*.yaml")
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "stages")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	var written []string
	for _, name := range names {
		text, err := stageFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		stages, err := objects(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var out strings.Builder
		for _, stage := range stages {
			spec := stage.Object["spec"].(map[string]any)
			if quiet && stage.GetName() == "pod-start" {
				spec["steps"] = spec["steps"].([]any)[:1]
			}
			isPod := spec["resourceRef"].(map[string]any)["kind"] == "Pod"
			if err := complete(spec, isPod, string(queries), string(parts)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			document, err := yaml.Marshal(stage.Object)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&out, "---\n%s", document)
		}
		path := filepath.Join(folder, filepath.Base(name))
		if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
			return nil, err
		}
		written = append(written, path)
	}
	return written, nil
}

// complete walks a Stage and completes its queries and templates in place.
func complete(node any, isPod bool, queries, parts string) error {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			if err := complete(child, isPod, queries, parts); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, child := range node {
			text, isText := child.(string)
			switch {
			case isText && key == "template":
				expanded, err := expand(text)
				if err != nil {
					return err
				}
				if isPod {
					expanded = parts + expanded
				}
				node[key] = expanded
			case isText && isPod && (key == "expression" || key == "key"):
				node[key] = queries + text
			default:
				if err := complete(child, isPod, queries, parts); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func expand(template string) (string, error) {
	var failed error
	return useSnippet.ReplaceAllStringFunc(template, func(match string) string {
		name := useSnippet.FindStringSubmatch(match)[1]
		snippet, err := stageFiles.ReadFile("stages/snippets/" + name + ".tpl")
		if err != nil {
			failed = err
		}
		return strings.TrimSpace(string(snippet))
	}), failed
}
