package audit

import (
	"regexp"
	"strconv"
	"strings"
)

// chmods are the modes that commands of a text set with chmod.
func chmods(text string) []string {
	expr := regexp.MustCompile(`\bchmod\s+(?:-[Rcfv]+\s+|--\S+\s+)*["']?([0-7]{1,5}|[ugoa]*[-+=][rwxXstugo,+=-]*)["']?(?:\s|$)`)
	var modes []string
	for _, m := range expr.FindAllStringSubmatch(text, -1) {
		modes = append(modes, m[1])
	}
	return modes
}

// worldWritable reports whether chmod's mode lets everyone write. A folder with the
// sticky bit, as /tmp, is shared on purpose.
func worldWritable(mode string) bool {
	if n, err := strconv.ParseUint(mode, 8, 32); err == nil {
		return n&0o2 != 0 && n&0o1000 == 0
	}
	return symbolic(mode, func(who, perms string) bool { return strings.ContainsAny(who, "oa") && strings.Contains(perms, "w") })
}

// setsUID reports whether chmod's mode sets setuid or setgid.
func setsUID(mode string) bool {
	if n, err := strconv.ParseUint(mode, 8, 32); err == nil {
		return n&0o6000 != 0
	}
	return symbolic(mode, func(who, perms string) bool {
		return strings.Contains(perms, "s") && (who == "" || strings.ContainsAny(who, "uga"))
	})
}

// symbolic reports whether a clause of u+x,g=w that adds or sets is bad.
func symbolic(mode string, bad func(who, perms string) bool) bool {
	for clause := range strings.SplitSeq(mode, ",") {
		i := strings.IndexAny(clause, "+=-")
		if i >= 0 && clause[i] != '-' && bad(clause[:i], clause[i+1:]) {
			return true
		}
	}
	return false
}
