package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// best is the shortest of several runs: the rest is what else the machine does.
func best(n int, run func() time.Duration) time.Duration {
	least := run()
	for range n - 1 {
		least = min(least, run())
	}
	return least
}

// took is how long a command on the host takes, which is to end with the code.
func (w *town) took(t testing.TB, code int, input string, args ...string) time.Duration {
	t.Helper()
	begun := time.Now()
	if input != "" {
		w.HostInput(input, args...)
		return time.Since(begun)
	}
	stdout, stderr, got := w.TryHost(args...)
	took := time.Since(begun)
	if got != code {
		t.Fatalf("%v: exit code %d, want %d\n%.500s%.500s", args, got, code, stdout, stderr)
	}
	return took
}

// ctl is agentctl with the town's file.
func (w *town) ctl(t testing.TB, code int, verb string, args ...string) time.Duration {
	t.Helper()
	begun := time.Now()
	stdout, stderr, got := w.Agentctl(append([]string{verb}, args...)...)
	took := time.Since(begun)
	if got != code {
		t.Fatalf("agentctl %s: exit code %d, want %d\n%.500s%.500s", verb, got, code, stdout, stderr)
	}
	return took
}

// text is all that is in force, as the tools take it.
type text struct{ sets, v4, v6 string }

// inForce reads dockwall's own back.
func (w *town) inForce(t testing.TB) text {
	t.Helper()
	rules := func(family string) string {
		out, errs, code := w.Agentctl("rules", "--family", family)
		if code != 0 {
			t.Fatalf("agentctl rules: %s", errs)
		}
		return out
	}
	return text{w.Host("ipset", "save"), rules("4"), rules("6")}
}

// bare is how long the tools take for the same.
func (w *town) bare(t testing.TB, x text) time.Duration {
	t.Helper()
	w.ctl(t, 0, "remove")
	all := w.took(t, 0, x.sets, "ipset", "restore")
	w.HostInput("*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n", "iptables-restore", "--noflush")
	w.HostInput("*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n", "ip6tables-restore", "--noflush")
	all += w.took(t, 0, x.v4, "iptables-restore", "--noflush")
	all += w.took(t, 0, x.v6, "ip6tables-restore", "--noflush")
	w.ctl(t, 0, "remove")
	return all
}

// measureApply is a whole agentctl apply beside what the tools alone take.
func measureApply(t *testing.T, size sizes) *figure {
	f := &figure{name: "A full apply",
		how: fmt.Sprintf("`agentctl apply` on a host that has nothing of dockwall's, the whole process from reading the file to reading the kernel back, "+
			"beside `ipset restore`, `iptables-restore` and `ip6tables-restore` of the very text that it comes to. %d policies, %d containers. The best of five runs each in turn, of two above 50,000 CIDRs.", size.policies, size.containers[0]),
		head: []string{"CIDRs", "rules, IPv4", "bare restore", "agentctl apply", "ratio"}}
	w := newTown(t, size.containers[0])
	for _, n := range append([]int{0}, size.lists...) {
		tries := 5
		if n > 50_000 {
			tries = 2
		}
		w.writeList(t, n)
		w.WriteConfig(policyText(size.policies, n > 0))
		apply, bare := time.Hour, time.Hour
		for range tries { // in turn: the machine is not always the same
			w.ctl(t, 0, "remove")
			apply = min(apply, w.ctl(t, 0, "apply"))
			bare = min(bare, w.bare(t, w.inForce(t)))
		}
		w.ctl(t, 0, "apply")
		x := w.inForce(t)
		f.add(number(n), number(strings.Count(x.v4, "\n-A ")), ms(bare), ms(apply), times(ratio(apply, bare)))
		f.want(ratio(apply, bare) <= 1.2, times(ratio(apply, bare)), "with %s CIDRs at most 1.2 ×", number(n))
	}
	w.ctl(t, 0, "remove")
	w.oneByOne(t, f, size)
	return f
}

// oneByOne adds what the same costs with one process for each rule, which is
// how tools work that know nothing but `iptables -A`.
func (w *town) oneByOne(t testing.TB, f *figure, size sizes) {
	t.Helper()
	w.WriteConfig(policyText(size.policies, false))
	w.ctl(t, 0, "apply")
	x := w.inForce(t)
	var chains, lines []string
	table := ""
	for line := range strings.Lines(x.v4) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case table == "filter" && strings.HasPrefix(line, ":"):
			name, _, _ := strings.Cut(line[1:], " ")
			chains = append(chains, "iptables -N T"+name)
		case table == "filter" && strings.HasPrefix(line, "-A "):
			lines = append(lines, "iptables -w "+strings.ReplaceAll(line, "DOCKWALL-", "TDOCKWALL-"))
		}
	}
	lines = lines[:min(len(lines), size.oneByOne)]
	w.HostInput(strings.Join(chains, "\n"), "sh", "-e")
	one := w.took(t, 0, strings.Join(lines, "\n"), "sh", "-e")
	restore := "*filter\n"
	for _, l := range lines {
		restore += strings.TrimPrefix(l, "iptables -w ") + "\n"
	}
	restore += "COMMIT\n"
	once := w.took(t, 0, restore, "iptables-restore", "--noflush")
	f.how += fmt.Sprintf(" Beside that, one `iptables -A` for each of %s of the same rules, as per-rule tools do: %s; one `iptables-restore` of these: %s.", number(len(lines)), ms(one), ms(once))
	w.Host("iptables", "-F")
	w.ctl(t, 0, "remove")
	w.byUFW(t, f, size.oneByOne/10)
}

// ufwPrivate gives the host a copy of ufw's settings, of which this machine sees
// nothing, and switches ufw on.
const ufwPrivate = `for d in /etc/ufw /etc/default; do
  mkdir -p /run/bench$d; cp -a $d/. /run/bench$d; mount --bind /run/bench$d $d
done
ufw default allow; ufw --force enable`

// byUFW adds what as many sources and ports cost with ufw, which can say of what
// the clients that are forwarded (ufw route), though not of Docker's ports as such.
func (w *town) byUFW(t testing.TB, f *figure, n int) {
	t.Helper()
	w.Host("sh", "-ec", ufwPrivate)
	var script strings.Builder
	for i := range n {
		fmt.Fprintf(&script, "ufw route allow proto tcp from 10.%d.0.0/16 to any port %d\n", i, 1000+i)
	}
	took := w.took(t, 0, script.String(), "sh", "-e")
	if got := strings.Count(w.Host("iptables-save"), "-A ufw-user-forward"); got < n {
		t.Fatalf("ufw wrote %d rules of %d", got, n)
	}
	reload := w.took(t, 0, "", "ufw", "reload")
	f.how += fmt.Sprintf(" With ufw, one `ufw route allow` for each of %s sources: %s; `ufw reload` of these: %s.", number(n), ms(took), ms(reload))
	w.Host("sh", "-ec", "ufw --force disable; for v in iptables ip6tables; do $v -F; $v -X; done; umount /etc/ufw /etc/default")
}

// measureDiff is a dry run where there is nothing to do.
func measureDiff(t *testing.T, size sizes) *figure {
	f := &figure{name: "A diff with nothing to change",
		how: fmt.Sprintf("`agentctl diff` beside the bare reading of the kernel, `iptables-save`, `ip6tables-save` and `ipset save`. %s containers, %d policies, %s CIDRs; "+
			"agentd runs, so the containers are known from it. The best of 7.", number(size.many), size.policies, number(size.cidrs)),
		head: []string{"", "time"}}
	w := newTown(t, size.many)
	w.writeList(t, size.cidrs)
	a := w.Agentd(policyText(size.policies, true))
	defer a.Stop()
	bare := best(7, func() time.Duration {
		return w.took(t, 0, "", "iptables-save") + w.took(t, 0, "", "ip6tables-save") + w.took(t, 0, "", "ipset", "save")
	})
	diff := best(7, func() time.Duration { return w.ctl(t, 0, "diff") })
	status := best(7, func() time.Duration { return w.ctl(t, 0, "status") })
	f.add("bare save", ms(bare))
	f.add("agentctl diff", ms(diff))
	f.add("agentctl status", ms(status))
	f.want(ratio(diff, bare) <= 2, times(ratio(diff, bare)), "at most 2 ×")
	f.want(ratio(status, bare) <= 1, times(ratio(status, bare)), "status, which reads no rules, at most 1 ×")
	return f
}
