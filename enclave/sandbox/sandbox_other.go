//go:build !linux

package sandbox

import "errors"

func parts() []part {
	return []part{{"sandbox", func() (string, error) {
		return "", errors.New("not available on this operating system")
	}}}
}
