package harness

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Numbers reads a list of numbers from 1 to most with commas between them, without repetitions.
// The error says what the flag takes.
func Numbers(flag, list string, most int) (numbers []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("%q: %s takes numbers from 1 to %d, with commas between them", s, flag, most)
		}
		if !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// Names reads a list of known names with commas between them, without repetitions. It returns
// the first that is not known, if there is one.
func Names(list string, known []string) (names []string, unknown string, ok bool) {
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(known, name) {
			return nil, name, false
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, "", true
}
