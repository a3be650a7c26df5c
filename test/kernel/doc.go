// Package kernel tests the backends against the real kernel and its tools, in
// network namespaces of its own. It needs root.
package kernel
