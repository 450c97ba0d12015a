package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func runCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Start a control plane, bring it into the state of a scenario, print its KUBECONFIG and stay",
		Long:  "Scenarios (the beginning of a name is enough):\n  " + strings.Join(scenarioNames(), "\n  "),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			if s.Nodes != nil && !cmd.Flags().Changed("nodes") {
				o.nodes = *s.Nodes
			}
			o.quiet = o.quiet || s.Quiet
			begun := time.Now()
			return withPlane(o, func(ctx context.Context, p *plane) error {
				fmt.Printf("# control plane ready after %.1f s; scenario %s: %s\n", time.Since(begun).Seconds(), s.name, s.Title)
				started := time.Now()
				if err := s.play(ctx, p.cluster); err != nil {
					return err
				}
				fmt.Printf("# reached after %.1f s more; audit log: %s; Ctrl-C ends it\n", time.Since(started).Seconds(), p.facts.AuditLog)
				fmt.Printf("KUBECONFIG=%s\n", p.facts.Kubeconfigs["admin"])
				return nil
			})
		},
	}
	o.flags(command)
	return command
}
