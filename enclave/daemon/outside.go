//go:build !ego && !gramine

package daemon

// inside: this program is built for an ordinary process or guest.
const inside = false
