package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snapshotOfTwo are the facts of a host with two containers.
const snapshotOfTwo = `{"engine": {"connected": true, "known": true}, "links": [{"index": 1, "name": "lo"}], "networks": [],
"containers": [{"id": "1", "name": "shop-web-1", "state": "running"}, {"id": "2", "name": "db", "state": "exited"}]}`

// askBash has bash complete the last word of a command line, with the installed
// script; the two functions are what it takes of bash-completion.
const askBash = `
_get_comp_words_by_ref() {
	while [ $# -gt 0 ]; do
		case $1 in
		-n) shift ;;
		cur) cur=${COMP_WORDS[COMP_CWORD]} ;;
		prev) prev=${COMP_WORDS[COMP_CWORD-1]} ;;
		words) words=("${COMP_WORDS[@]}") ;;
		cword) cword=$COMP_CWORD ;;
		esac
		shift
	done
}
__ltrim_colon_completions() { :; }
compopt() { :; }
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_TYPE=9
__start_agentctl
printf '%s\n' "${COMPREPLY[@]}"
`

// checkCompletions drives the installed completion of bash, and has each other
// shell that is here read its own.
func checkCompletions(t *testing.T, tree string) {
	t.Helper()
	share, facts := filepath.Join(tree, "usr/share"), filepath.Join(t.TempDir(), "host.json")
	write(t, facts, snapshotOfTwo)
	script := filepath.Join(share, "bash-completion/completions/agentctl")
	for line, want := range map[string][]string{
		"expl":                 {"explain"},
		"denied --cont":        {"--container"},
		"rules --family ":      {"4", "6"},
		"explain --expect a":   {"allow"},
		"explain --from-conta": {"--from-container"},
		"snapshot nothing":     nil,
		"explain --snapshot=" + facts + " --from-container ":  {"db", "shop-web-1"},
		"explain --snapshot=" + facts + " --from-container s": {"shop-web-1"},
	} {
		args := append([]string{"-c", askBash, "bash", script, filepath.Join(tree, "usr/bin/agentctl")}, strings.Split(line, " ")...)
		var got []string
		for answer := range strings.Lines(output(t, "bash", args...)) {
			// With a description where there are several.
			if word, _, _ := strings.Cut(strings.TrimSpace(answer), " "); word != "" {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("bash completes agentctl %s with %q, want %q", line, got, want)
		}
	}
	zsh, fish := filepath.Join(share, "zsh/vendor-completions/_agentctl"), filepath.Join(share, "fish/vendor_completions.d/agentctl.fish")
	if text := read(t, zsh); !strings.HasPrefix(text, "#compdef agentctl\n") {
		t.Errorf("zsh is not told what %s is for: %.60q", zsh, text)
	}
	if text := read(t, fish); !strings.Contains(text, "\ncomplete -c agentctl ") {
		t.Errorf("fish is told nothing of agentctl by %s", fish)
	}
	for shell, args := range map[string][]string{"zsh": {"-n", zsh}, "fish": {"--no-execute", fish}} {
		if _, err := exec.LookPath(shell); err == nil {
			output(t, shell, args...)
		} else if os.Getenv("CI") != "" {
			t.Errorf("CI must have every shell read its completion: %v", err)
		}
	}
	checkFish(t, tree, fish, facts)
}

// askFish has fish complete a command line, as it does at the prompt.
const askFish = `set -gx PATH $argv[1] $PATH; source $argv[2]; complete --do-complete $argv[3]`

func checkFish(t *testing.T, tree, script, facts string) {
	t.Helper()
	if _, err := exec.LookPath("fish"); err != nil {
		return
	}
	t.Setenv("HOME", t.TempDir())
	for line, want := range map[string]string{
		"agentctl expl":             "explain",
		"agentctl rules --family ":  "4 6",
		"agentctl explain --expect": "--expect",
		"agentctl explain --snapshot=" + facts + " --from-container s": "shop-web-1",
	} {
		var got []string
		for answer := range strings.Lines(output(t, "fish", "-c", askFish, filepath.Join(tree, "usr/bin"), script, line)) {
			word, _, _ := strings.Cut(strings.TrimSpace(answer), "\t")
			got = append(got, word)
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("fish completes %s with %q, want %q", line, got, want)
		}
	}
}
