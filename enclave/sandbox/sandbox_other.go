//go:build !linux || ego || gramine

package sandbox

import "errors"

var errUnavailable = errors.New("not available in this build")

// CloseMemory cannot close it here.
func CloseMemory() error { return &Error{Part: PartClosed, Err: errUnavailable} }

// Untraced cannot tell here; Enter fails anyway.
func Untraced() error { return nil }

func parts() []part {
	return []part{{"sandbox", func() (string, error) {
		return "", errUnavailable
	}}}
}
