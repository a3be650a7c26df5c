package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type parseVerb func(ws []string) (Action, error)

// verbs finds how to read what follows a verb.
func verbs(verb string) (parseVerb, bool) {
	switch verb {
	case "docker":
		return some(func(ws []string) Action { return Docker{ws} }), true
	case "run", "create":
		return func(ws []string) (Action, error) { return parseRun(ws, verb == "create") }, true
	case "start", "launch", "stop", "kill", "reload", "restart":
		return func(ws []string) (Action, error) { return parseProcess(verb, ws) }, true
	case "write":
		return parseWrite, true
	case "expect":
		return parseExpect, true
	case "eventually":
		return parseEventually, true
	case "connect", "connection":
		return map[string]parseVerb{"connect": parseConnect, "connection": parseConnection}[verb], true
	case "host":
		return some(func(ws []string) Action { return Command{"host", ws} }), true
	case "in":
		return parseIn, true
	case "tamper":
		return some(func(ws []string) Action { return Tamper{ws} }), true
	case "within", "remember", "rules":
		return func(ws []string) (Action, error) { return parseRules(append([]string{verb}, ws...)) }, true
	case "agentctl":
		return parseAgentctl, true
	case "stdout", "not":
		return func(ws []string) (Action, error) { return parseStdout(append([]string{verb}, ws...)) }, true
	case "status":
		return parseStatus, true
	}
	return nil, false
}

// some is for verbs that take any words, but not none.
func some(make func([]string) Action) parseVerb {
	return func(ws []string) (Action, error) {
		if len(ws) == 0 {
			return nil, errors.New("what?")
		}
		return make(ws), nil
	}
}

func parseRun(ws []string, create bool) (Action, error) {
	if len(ws) == 0 || strings.HasPrefix(ws[0], "-") {
		return nil, errors.New("want NAME OPTION …")
	}
	listen, options := []string{"80"}, ws[1:]
	if len(options) > 0 && strings.HasPrefix(options[0], "listen=") {
		listen, options = strings.Split(strings.TrimPrefix(options[0], "listen="), ","), options[1:]
		return Run{Name: ws[0], Options: options, Listen: listeners(listen), Create: create}, nil
	}
	for i, w := range ws {
		if (w == "-p" || w == "--publish") && i+1 < len(ws) {
			ports, err := containerPorts(ws[i+1])
			if err != nil {
				return nil, err
			}
			listen = append(listen, ports...)
		}
	}
	return Run{Name: ws[0], Options: options, Listen: listeners(listen), Create: create}, nil
}

// listeners are what the responder calls them, for both protocols.
func listeners(ports []string) string {
	slices.Sort(ports)
	var specs []string
	for _, port := range slices.Compact(ports) {
		specs = append(specs, "tcp:"+port, "udp:"+port)
	}
	return strings.Join(specs, ",")
}

// containerPorts are those behind one -p, "8080:80/tcp" or "8000-8001:80-81".
func containerPorts(publish string) ([]string, error) {
	ports, _, _ := strings.Cut(publish[strings.LastIndex(publish, ":")+1:], "/")
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	lo, errLo := strconv.ParseUint(first, 10, 16)
	hi, errHi := strconv.ParseUint(last, 10, 16)
	if err := errors.Join(errLo, errHi); err != nil {
		return nil, fmt.Errorf("-p %s: %w", publish, err)
	}
	var all []string
	for port := lo; port <= hi; port++ {
		all = append(all, strconv.FormatUint(port, 10))
	}
	return all, nil
}

func parseProcess(verb string, ws []string) (Action, error) {
	if len(ws) == 1 && ws[0] == "agent" && verb != "restart" {
		return Agent{verb}, nil
	}
	if len(ws) == 1 && ws[0] == "dockerd" && verb != "reload" {
		return Dockerd{verb}, nil
	}
	return nil, errors.New("want agent or dockerd")
}

func parseWrite(ws []string) (Action, error) {
	switch {
	case len(ws) == 1:
		return Write{ws[0], ws[0]}, nil
	case len(ws) == 2 && ws[1] == "-":
		return Write{Path: ws[0]}, nil
	case len(ws) == 2:
		return Write{ws[0], ws[1]}, nil
	}
	return nil, errors.New("want FILE [SECTION]")
}

func parseExpect(ws []string) (Action, error) {
	ask, verdict, err := parseQuestion(ws)
	return Expect{ask, verdict}, err
}

func parseEventually(ws []string) (Action, error) {
	if len(ws) == 0 {
		return nil, errors.New("within what time?")
	}
	limit, err := time.ParseDuration(ws[0])
	if err != nil {
		return nil, err
	}
	ask, verdict, err := parseQuestion(ws[1:])
	return Eventually{limit, ask, verdict}, err
}

func parseConnect(ws []string) (Action, error) {
	if len(ws) != 4 {
		return nil, errors.New("want NAME FROM PROTO TARGET")
	}
	ask, err := parseAsk(ws[1:])
	return Connect{ws[0], ask}, err
}

func parseConnection(ws []string) (Action, error) {
	switch {
	case len(ws) == 2 && ws[1] == "lives":
		return Connection{Name: ws[0]}, nil
	case len(ws) == 3 && ws[1] == "is" && ws[2] == "cut":
		return Connection{Name: ws[0], Cut: true}, nil
	}
	return nil, errors.New("want NAME lives, or NAME is cut")
}

func parseIn(ws []string) (Action, error) {
	if len(ws) < 2 {
		return nil, errors.New("want PLACE COMMAND …")
	}
	return Command{ws[0], ws[1:]}, nil
}

func parseRules(ws []string) (Action, error) {
	switch line := strings.Join(ws, " "); {
	case line == "remember rules":
		return Remember{}, nil
	case line == "rules as remembered":
		return Remembered{}, nil
	case line == "rules of agent gone":
		return Gone{}, nil
	case ws[0] == "within" && len(ws) == 5 && strings.HasSuffix(line, " rules as before"):
		limit, err := time.ParseDuration(ws[1])
		return Repaired{limit}, err
	}
	return nil, errors.New("want one of the sentences about rules")
}

func parseAgentctl(ws []string) (Action, error) {
	if len(ws) > 2 && ws[0] == "exits" {
		code, err := strconv.Atoi(ws[1])
		return Agentctl{code, ws[2:]}, err
	}
	if len(ws) == 0 {
		return nil, errors.New("which verb?")
	}
	return Agentctl{Args: ws}, nil
}

func parseStdout(ws []string) (Action, error) {
	not := ws[0] == "not"
	if not {
		ws = ws[1:]
	}
	if len(ws) != 2 || ws[0] != "stdout" {
		return nil, errors.New("want [not] stdout REGEXP")
	}
	if _, err := regexp.Compile(ws[1]); err != nil {
		return nil, err
	}
	return Stdout{ws[1], not}, nil
}

func parseStatus(ws []string) (Action, error) {
	if len(ws) == 0 || !slices.Contains([]string{"enforcing", "degraded", "starting"}, ws[0]) {
		return nil, errors.New("want enforcing, degraded or starting")
	}
	return Status{ws[0], ws[1:]}, nil
}
