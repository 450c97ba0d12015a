package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

//go:embed scenarios
var scenarioFiles embed.FS

// scenario is a folder of scenarios/. tests/live reads the same files; README.md describes them.
type scenario struct {
	Title   string     `json:"title"`
	Nodes   *int       `json:"nodes"`
	Quiet   bool       `json:"quiet"`
	Vars    []variable `json:"vars"`
	Repeat  int        `json:"repeat"`
	Ready   []check    `json:"ready"`
	Reached []check    `json:"reached"`
	Within  int        `json:"withinSeconds"`

	name string
}

// variable is a placeholder of the manifests; later ones may use earlier ones.
type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// check is satisfied when at least AtLeast (1) of the objects at Get have a text at Where that contains Is.
type check struct {
	Get     string `json:"get"`
	Where   string `json:"where"`
	Is      string `json:"is"`
	AtLeast *int   `json:"atLeast"`
	// As many for each repetition; instead of AtLeast.
	PerRepeat int `json:"perRepeat"`
}

func scenarioNames() []string {
	entries, _ := fs.ReadDir(scenarioFiles, "scenarios")
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// loadScenario finds a scenario by its name, or the first whose name begins so.
func loadScenario(asked string) (*scenario, error) {
	names := scenarioNames()
	at := slices.Index(names, asked)
	if at < 0 {
		at = slices.IndexFunc(names, func(name string) bool { return asked != "" && strings.HasPrefix(name, asked) })
	}
	if at < 0 {
		return nil, fmt.Errorf("no scenario %q; there are %s", asked, strings.Join(names, ", "))
	}
	text, err := scenarioFiles.ReadFile(path.Join("scenarios", names[at], "scenario.yaml"))
	if err != nil {
		return nil, err
	}
	s := &scenario{name: names[at], Within: 90}
	if err := yaml.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", names[at], err)
	}
	return s, nil
}

func (s *scenario) fill(text string) string {
	values := map[string]string{}
	replace := func(text string) string {
		for name, value := range values {
			text = strings.ReplaceAll(text, "${"+name+"}", value)
		}
		return text
	}
	for _, variable := range s.Vars {
		values[variable.Name] = replace(variable.Value)
	}
	return replace(text)
}

// manifests of a file of the scenario with everything filled in; documents with ${index} are repeated.
func (s *scenario) manifests(file string) (string, error) {
	text, err := scenarioFiles.ReadFile(path.Join("scenarios", s.name, file))
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for document := range strings.SplitSeq(s.fill(string(text)), "\n---\n") {
		if !strings.Contains(document, "${index}") {
			out.WriteString("---\n" + document + "\n")
			continue
		}
		for i := range s.Repeat {
			out.WriteString("---\n" + strings.ReplaceAll(document, "${index}", fmt.Sprintf("%03d", i)) + "\n")
		}
	}
	return out.String(), nil
}

// play applies the manifests, waits for the normal state, applies what goes wrong later, and waits for the state that
// the scenario is about.
func (s *scenario) play(ctx context.Context, cluster *cluster) error {
	manifests, err := s.manifests("manifests.yaml")
	if err != nil {
		return err
	}
	if err := cluster.apply(ctx, manifests); err != nil {
		return err
	}
	within := time.Duration(s.Within) * time.Second
	if len(s.Ready) > 0 {
		if err := s.await(ctx, cluster, "the state before the fault", within, s.Ready); err != nil {
			return err
		}
	}
	if then, err := s.manifests("then.yaml"); err == nil {
		if err := cluster.apply(ctx, then); err != nil {
			return err
		}
	}
	return s.await(ctx, cluster, "the state of the scenario", within, s.Reached)
}

func (s *scenario) await(ctx context.Context, cluster *cluster, what string, within time.Duration, checks []check) error {
	return until(ctx, within, what, func(ctx context.Context) (bool, error) {
		for _, check := range checks {
			raw, err := cluster.raw(ctx, s.fill(check.Get))
			if err != nil {
				return false, err
			}
			want := 1
			if check.AtLeast != nil {
				want = *check.AtLeast
			} else if check.PerRepeat > 0 {
				want = check.PerRepeat * s.Repeat
			}
			if got := check.count(raw, s.fill(check.Is)); got < want {
				return false, fmt.Errorf("%s has %d of %d with %s %q", s.fill(check.Get), got, want, check.Where, s.fill(check.Is))
			}
		}
		return true, nil
	})
}

func (c *check) count(answer map[string]any, is string) int {
	items, isList := answer["items"].([]any)
	if !isList {
		items = []any{answer}
	}
	found := 0
	for _, item := range items {
		if slices.ContainsFunc(pointed(item, strings.Split(strings.Trim(c.Where, "/"), "/")), func(text string) bool { return strings.Contains(text, is) }) {
			found++
		}
	}
	return found
}

// pointed reads the texts at a path of members and indexes, where * is any.
func pointed(node any, path []string) []string {
	if len(path) == 0 {
		switch node := node.(type) {
		case nil:
			return nil
		case string:
			return []string{node}
		default:
			text, _ := json.Marshal(node)
			return []string{string(text)}
		}
	}
	var found []string
	switch node := node.(type) {
	case map[string]any:
		for key, child := range node {
			if key == path[0] || path[0] == "*" {
				found = append(found, pointed(child, path[1:])...)
			}
		}
	case []any:
		for i, child := range node {
			if path[0] == "*" || path[0] == fmt.Sprint(i) {
				found = append(found, pointed(child, path[1:])...)
			}
		}
	}
	return found
}

// set gives variables other values; {scenario} in a value is the scenario's name.
func (s *scenario) set(values map[string]string) {
	for i := range s.Vars {
		if value, ok := values[s.Vars[i].Name]; ok {
			s.Vars[i].Value = strings.ReplaceAll(value, "{scenario}", s.name)
		}
	}
}
