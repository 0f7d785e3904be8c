package docs_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/matcher/filter"
)

// TestFilterErrorsAreListed: FILTERS.md has a row for each kind of error and for
// nothing else, with its number and name.
func TestFilterErrorsAreListed(t *testing.T) {
	listed := map[string]string{}
	for _, row := range table(t, "FILTERS.md", "## Errors") {
		require.Len(t, row, 4)
		require.NotEmpty(t, row[3], "what to do")
		listed[row[0]] = row[1]
	}
	kinds := map[string]string{}
	for k := filter.Kind(1); k.String() != filter.Kind(255).String(); k++ {
		kinds[fmt.Sprintf("F%d", k)] = k.String()
	}
	require.Equal(t, kinds, listed)
}

// TestFilterLimitsAreListed: the values in FILTERS.md are those in the code.
func TestFilterLimitsAreListed(t *testing.T) {
	limits := map[string]int{
		"MaxAttributes": filter.MaxAttributes, "MaxNameBytes": filter.MaxNameBytes, "MaxStringBytes": filter.MaxStringBytes,
		"MaxEventBytes": filter.MaxEventBytes, "MaxPredicates": filter.MaxPredicates, "MaxConjunctions": filter.MaxConjunctions,
		"MaxExpansion": filter.MaxExpansion, "MaxMembers": filter.MaxMembers, "MaxPatterns": filter.MaxPatterns,
		"MaxPatternBytes": filter.MaxPatternBytes, "MaxTerms": filter.MaxTerms, "MaxFilterBytes": filter.MaxFilterBytes,
		"MaxTextBytes": filter.MaxTextBytes, "MaxDepth": filter.MaxDepth,
	}
	listed := map[string]int{}
	for _, row := range table(t, "FILTERS.md", "## Limits") {
		digits, _, _ := strings.Cut(strings.ReplaceAll(row[1], ",", ""), " ")
		n, err := strconv.Atoi(digits)
		require.NoError(t, err)
		listed[row[2]] = n
	}
	require.Equal(t, limits, listed)
}
