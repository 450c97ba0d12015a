package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func runCommand() *cobra.Command {
	var o options
	var repeat int
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
			if repeat > 0 && s.Repeat > 0 {
				s.Within = max(s.Within, s.Within*repeat/s.Repeat)
				s.Repeat = repeat
			}
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
	command.Flags().IntVar(&repeat, "repeat", 0, "how often the repeated part of a generated scenario is made, such as 398 for 100,000 pods (with --nodes 1000)")
	return command
}

func playCommand() *cobra.Command {
	var kubeconfig string
	var set map[string]string
	command := &cobra.Command{
		Use:   "play SCENARIO…",
		Short: "Bring a running control plane into the states of scenarios, all at once",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cluster, err := connect(kubeconfig)
			if err != nil {
				return err
			}
			results := make(chan error, len(args))
			for _, name := range args {
				s, err := loadScenario(name)
				if err != nil {
					return err
				}
				s.set(set)
				go func() {
					started := time.Now()
					if err := s.play(cmd.Context(), cluster); err != nil {
						results <- fmt.Errorf("scenario %s: %w", s.name, err)
						return
					}
					fmt.Printf("%s reached after %.1f s\n", s.name, time.Since(started).Seconds())
					results <- nil
				}()
			}
			var failed []error
			for range args {
				failed = append(failed, <-results)
			}
			return errors.Join(failed...)
		},
	}
	command.Flags().StringToStringVar(&set, "set", nil, "other values of the scenario's variables, such as namespace=payments")
	kubeconfigFlag(command, &kubeconfig)
	return command
}
