package filter

import (
	"slices"
	"strings"
)

// reduce brings alternatives to their one form: no conjunction covers another,
// no two of them are one conjunction that differs in a list of values, and they
// ascend by their encodings.
func reduce(all []Conjunction) []Conjunction {
	all = uncovered(distinct(all))
	for {
		merged := mergeSets(all)
		if len(merged) == len(all) {
			return all
		}
		all = uncovered(distinct(merged))
	}
}

// distinct sorts by encodings and drops repetitions.
func distinct(all []Conjunction) []Conjunction {
	if len(all) < 2 {
		return all
	}
	type keyed struct {
		key string
		c   Conjunction
	}
	keys := make([]keyed, 0, len(all))
	for i := range all {
		keys = append(keys, keyed{string(all[i].appendBinary(nil)), all[i]})
	}
	slices.SortFunc(keys, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	keys = slices.CompactFunc(keys, func(a, b keyed) bool { return a.key == b.key })
	out := make([]Conjunction, 0, len(keys))
	for i := range keys {
		out = append(out, keys[i].c)
	}
	return out
}

// uncovered drops each conjunction that another one covers. Of two that cover
// each other the later one stays.
func uncovered(all []Conjunction) []Conjunction {
	dropped := make([]bool, len(all))
	out := make([]Conjunction, 0, len(all))
	for i := range all {
		for j := range all {
			if i != j && !dropped[j] && all[j].Covers(&all[i]) {
				dropped[i] = true
				break
			}
		}
		if !dropped[i] {
			out = append(out, all[i])
		}
	}
	return out
}

// mergeSets joins conjunctions that agree on everything but the values that one
// attribute may have, one attribute after the other until nothing changes.
func mergeSets(all []Conjunction) []Conjunction {
	if len(all) < 2 {
		return all
	}
	for {
		before := len(all)
		for _, name := range names(all) {
			all = distinct(mergeOn(all, name))
		}
		if len(all) == before {
			return all
		}
	}
}

// names lists the attributes of which some conjunction lists the values.
func names(all []Conjunction) []string {
	var list []string
	for i := range all {
		for j := range all[i].constraints {
			if c := &all[i].constraints[j]; c.kind == Point || c.kind == Set {
				list = append(list, c.attr)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// mergeOn puts each conjunction to the first one before that it can be joined
// with, so that of what is left no two can be.
func mergeOn(all []Conjunction, name string) []Conjunction {
	groups := map[string][]int{} // places in out, by what else is asked
	out := make([]Conjunction, 0, len(all))
	for i := range all {
		at := all[i].values(name)
		if at < 0 {
			out = append(out, all[i])
			continue
		}
		rest := string(all[i].appendWithout(nil, at))
		joined := false
		for _, place := range groups[rest] {
			if joined = out[place].addValues(at, &all[i].constraints[at]); joined {
				break
			}
		}
		if !joined {
			groups[rest] = append(groups[rest], len(out))
			out = append(out, Conjunction{slices.Clone(all[i].constraints)})
		}
	}
	return out
}

// values returns the place of a Point or Set on the attribute, or -1.
func (c *Conjunction) values(name string) int {
	at, ok := slices.BinarySearchFunc(c.constraints, name, func(one Constraint, n string) int {
		return strings.Compare(one.attr, n)
	})
	if !ok || c.constraints[at].kind != Point && c.constraints[at].kind != Set {
		return -1
	}
	return at
}

// addValues adds d's values to those of constraint at; false if they are too many.
func (c *Conjunction) addValues(at int, d *Constraint) bool {
	one := &c.constraints[at]
	values := slices.Concat(one.list(), d.list())
	slices.SortFunc(values, order)
	if values = slices.Compact(values); len(values) > MaxMembers {
		return false
	}
	return one.becomeMembers(values)
}

// list returns the values of a Point or Set.
func (c *Constraint) list() []Value {
	if c.kind == Point {
		return []Value{c.lo.Value}
	}
	return c.points
}
