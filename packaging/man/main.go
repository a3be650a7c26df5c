package main

import (
	"embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed agentd.8 agent.hcl.5
var written embed.FS

func main() {
	agentctl := flag.String("agentctl", "bin/agentctl", "the built `program`")
	date := flag.String("date", "", "the pages' `date`, as 2006-01-02")
	to := flag.String("to", ".", "the `folder` to write to")
	flag.Parse()
	if err := run(*agentctl, *date, *to); err != nil {
		fmt.Fprintf(os.Stderr, "man: %v\n", err)
		os.Exit(1)
	}
}

func run(agentctl, date, to string) error {
	for _, name := range []string{"agentd.8", "agent.hcl.5"} {
		page, err := written.ReadFile(name)
		if err != nil {
			return err
		}
		if err := write(to, name, strings.ReplaceAll(string(page), "@DATE@", date)); err != nil {
			return err
		}
	}
	page, err := agentctlPage(date, func(args ...string) (string, error) {
		out, err := exec.Command(agentctl, append(args, "--help")...).Output()
		if err != nil {
			return "", fmt.Errorf("asking agentctl %s for help: %w", strings.Join(args, " "), err)
		}
		return string(out), nil
	})
	if err != nil {
		return err
	}
	return write(to, "agentctl.8", page)
}

func write(to, name, page string) error {
	if err := os.WriteFile(filepath.Join(to, name), []byte(page), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
