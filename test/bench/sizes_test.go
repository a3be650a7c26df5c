package bench

import "time"

// sizes are how much is measured.
type sizes struct {
	containers []int // for the latency; the last but one is the goal's
	samples    int
	policies   int
	cidrs      int
	lists      []int // for apply and for memory
	many       int   // containers for diff, connections and rest
	idle       time.Duration
	dial       time.Duration // for each way to be tried, and each round
	rounds     int
	linear     []int
	oneByOne   int // rules for one process each
}

// small shows that everything works.
var small = sizes{containers: []int{5, 30}, samples: 10, policies: 20, cidrs: 500, lists: []int{100, 2000}, many: 30,
	idle: time.Second, dial: 200 * time.Millisecond, rounds: 1, linear: []int{50}, oneByOne: 20}

// full is what the goals are about.
var full = sizes{containers: []int{10, 100, 1000, 5000}, samples: 80, policies: 200, cidrs: 100_000,
	lists: []int{1000, 10_000, 100_000, 1_000_000}, many: 1000,
	idle: 125 * time.Second, dial: 1500 * time.Millisecond, rounds: 21, linear: []int{1000, 5000}, oneByOne: 300}
