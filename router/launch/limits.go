package launch

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/scbr/scbr/router"
)

// load reads a file over c and lists what is wrong with it.
func (c *Config) load(path string) (faults []string) {
	b, err := os.ReadFile(path) // #nosec G304 -- the operator's choice
	if err != nil {
		return []string{"--config: " + err.Error()}
	}
	raw := struct {
		*Config
		Limits map[string]any `toml:"limits"` // numbers may be written as numbers
	}{Config: c}
	meta, err := toml.Decode(string(b), &raw)
	var at toml.ParseError
	switch {
	case errors.As(err, &at):
		return []string{fmt.Sprintf("%s:%d: %s", path, at.Position.Line, at.Message)}
	case err != nil:
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	for _, key := range meta.Undecoded() {
		faults = append(faults, fmt.Sprintf("%s:%d: unknown key %q", path, lineOf(string(b), key), key.String()))
	}
	c.Limits = map[string]string{}
	for key, v := range raw.Limits {
		c.Limits[key] = fmt.Sprint(v)
	}
	return faults
}

// lineOf finds the line of a key that the decoder did not use; 1 where it cannot.
func lineOf(text string, key toml.Key) int {
	n := 0
	for line := range strings.Lines(text) {
		n++
		name, _, found := strings.Cut(line, "=")
		if found && strings.Trim(strings.TrimSpace(name), `"'`) == key[len(key)-1] || strings.HasPrefix(strings.TrimSpace(line), "["+key.String()+"]") {
			return n
		}
	}
	return 1
}

// limits are those of the configuration, and what is wrong with them.
func (c *Config) limits() (l router.Limits, faults []string) {
	l = router.DefaultLimits()
	for _, key := range slices.Sorted(maps.Keys(c.Limits)) {
		if err := setLimit(&l, key, c.Limits[key]); err != nil {
			faults = append(faults, fmt.Sprintf("limits.%s: %v", key, err))
		}
	}
	for flag, at := range map[string]struct{ key, value string }{
		"--slow-consumer": {"slow_consumer", c.SlowConsumer}, "--drain-timeout": {"drain_timeout", c.DrainTimeout},
	} {
		if at.value == "" {
			continue
		}
		if err := setLimit(&l, at.key, at.value); err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", flag, err))
		}
	}
	if err := l.Validate(); err != nil && len(faults) == 0 {
		faults = append(faults, strings.Split(err.Error(), "\n")...)
	}
	slices.Sort(faults)
	return l, faults
}

// setLimit sets the field with a key from text.
func setLimit(l *router.Limits, key, text string) error {
	switch p := l.Limit(key).(type) {
	case nil:
		return errors.New("there is no such limit")
	case *router.Policy:
		if !slices.Contains(policies(), router.Policy(text)) {
			return fmt.Errorf("%q is none of %q", text, policies())
		}
		*p = router.Policy(text)
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a time such as 10s", text)
		}
		*p = d
	case *int:
		n, err := parseSize(text)
		if err != nil {
			return fmt.Errorf("%q is not a number such as 1024 or 64MiB", text)
		}
		*p = int(n)
	}
	return nil
}

// Write writes the configuration in force as a file that would lead to it.
func (c *Config) Write(w io.Writer) error {
	out := *c
	if out.devRouter() { // Parse derived these
		out.Domain, out.Platform, out.Router = "", "", ""
	}
	l, _ := c.limits()
	out.SlowConsumer, out.DrainTimeout, out.Limits = string(l.SlowConsumer), l.DrainTimeout.String(), map[string]string{}
	for _, key := range router.LimitKeys() {
		switch p := l.Limit(key).(type) {
		case *router.Policy:
		case *time.Duration:
			out.Limits[key] = p.String()
		case *int:
			out.Limits[key] = strconv.Itoa(*p)
		}
	}
	delete(out.Limits, "drain_timeout")
	enc := toml.NewEncoder(w)
	enc.Indent = ""
	return enc.Encode(out)
}
