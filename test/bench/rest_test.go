package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// memory reads a line of /proc/PID/status, in KiB.
func memory(t testing.TB, pid int, key string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s of process %d", key, pid)
	return 0
}

func mib(kib int) string { return fmt.Sprintf("%.1f MiB", float64(kib)/1024) }

// processor is the time that a process and its children had so far. Linux
// counts it in hundredths of a second.
func processor(t testing.TB, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	sum := 0
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum) * 10 * time.Millisecond
}

// processorOf is the time that a process had so far, without its children: to the
// nanosecond, by its clock (clock_getcpuclockid(3)).
func processorOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	const cpuclockSched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuclockSched), &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// nextPID is the number that the next process of the host gets, more or less:
// the host counts its own.
func (w *town) nextPID(t testing.TB) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(w.Host("sh", "-c", "echo $$")))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// measureRest is what the agent takes while nothing happens.
func measureRest(t *testing.T, size sizes) *figure {
	f := &figure{name: "At rest",
		how: fmt.Sprintf("agentd with %s containers, %d policies and %s CIDRs, %s after its start, then watched for %s in which nothing changes and every 30 s a resync falls. "+
			"Processes are counted by the numbers that the host's PID namespace gives out.", number(size.many), size.policies, number(size.cidrs), settle(size), size.idle),
		head: []string{"", ""}}
	w := newTown(t, size.many)
	w.writeList(t, size.cidrs)
	a := w.Agentd(policyText(size.policies, true))
	defer a.Stop()
	time.Sleep(settle(size))
	before, pids := processorOf(t, a.PID()), w.nextPID(t)
	base := w.nextPID(t) - pids // what the counting itself starts
	pids = w.nextPID(t)
	time.Sleep(size.idle)
	started := w.nextPID(t) - pids - base
	share := 100 * float64(processorOf(t, a.PID())-before) / float64(size.idle)
	rss := memory(t, a.PID(), "VmRSS")
	f.add("resident memory", mib(rss))
	f.add("the most it ever was", mib(memory(t, a.PID(), "VmHWM")))
	f.add("processor", fmt.Sprintf("%.3f %%", share))
	f.add("processes started", fmt.Sprint(started))
	f.want(rss <= 40<<10, mib(rss), "at most 40 MiB resident")
	f.want(share <= 0.1, fmt.Sprintf("%.3f %%", share), "at most 0.1 %% of a processor")
	f.want(started == 0, fmt.Sprint(started), "no process is started while nothing changes")
	return f
}

// settle is how long the agent is left alone before it is called idle.
func settle(size sizes) time.Duration { return size.idle / 3 }

// measureLists is what long lists take.
func measureLists(t *testing.T, size sizes) *figure {
	f := &figure{name: "Long lists",
		how:  "agentd with one blocked list of so many CIDRs and 10 containers: from its start to `enforcing`, its processor time until then, and its memory, of which the resident part is taken ten seconds later.",
		head: []string{"CIDRs", "until in force", "processor", "for each 1,000 CIDRs", "resident", "the most it was"}}
	var per []time.Duration
	for _, n := range size.lists {
		t.Run(number(n), func(t *testing.T) {
			w := newTown(t, 10)
			w.writeList(t, n)
			w.WriteConfig(policyText(10, true))
			begun := time.Now()
			a := w.LaunchAgentd()
			a.WaitState("enforcing")
			took := time.Since(begun)
			used := processor(t, a.PID())
			time.Sleep(min(size.idle, 10*time.Second))
			per = append(per, took*1000/time.Duration(n))
			f.add(number(n), ms(took), ms(used), ms(took*1000/time.Duration(n)), mib(memory(t, a.PID(), "VmRSS")), mib(memory(t, a.PID(), "VmHWM")))
			a.Stop()
		})
	}
	if len(per) != len(size.lists) {
		t.FailNow()
	}
	last := len(per) - 1
	f.want(ratio(per[last], per[last-1]) <= 1.5, times(ratio(per[last], per[last-1])), "linear: each of %s CIDRs takes at most 1.5 × what each of %s does", number(size.lists[last]), number(size.lists[last-1]))
	return f
}
