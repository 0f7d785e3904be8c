package router

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// limits are those in force.
func (r *Router) limits() *Limits { return r.current.Load() }

// lasting are the limits that hold for the life of a router, because something was made to their measure.
var lasting = [...]string{"HoldMax", "SlowMax", "TickInterval", "PayloadGrace", "SettleStart"}

// SetLimits changes the limits of a running router: those of sessions for sessions that begin later, those of the link for the next enclave.
// Nothing changes when one is wrong. Limits that hold for the life of a router stay; their keys are returned.
func (r *Router) SetLimits(l Limits) (unchanged []string, err error) {
	if faults := l.faults(); len(faults) > 0 {
		return nil, fmt.Errorf("limits: %w", faults[0])
	}
	old, next := reflect.ValueOf(r.limits()).Elem(), reflect.ValueOf(&l).Elem()
	for _, name := range lasting {
		was, is := old.FieldByName(name), next.FieldByName(name)
		if !was.Equal(is) {
			unchanged = append(unchanged, LimitKey(name))
			is.Set(was)
		}
	}
	r.current.Store(&l)
	return unchanged, nil
}

// LimitKey is the name of a field of Limits in files: words in lower case with underscores.
func LimitKey(field string) string {
	var b strings.Builder
	for i, c := range field {
		if i > 0 && unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// LimitKeys are the names of all fields, in their order.
func LimitKeys() []string {
	t := reflect.TypeFor[Limits]()
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = LimitKey(t.Field(i).Name)
	}
	return keys
}

// Limit is the address of the field with a key, or nil.
func (l *Limits) Limit(key string) any {
	i := slices.Index(LimitKeys(), key)
	if i < 0 {
		return nil
	}
	return reflect.ValueOf(l).Elem().Field(i).Addr().Interface()
}
