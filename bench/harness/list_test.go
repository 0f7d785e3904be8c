package harness

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbers(t *testing.T) {
	got, err := Numbers("--sizes", "3,1,3,10", 10)
	require.NoError(t, err)
	require.Equal(t, []int{3, 1, 10}, got)
	for _, bad := range []string{"", "0", "11", "-1", "x", "1,,2", "1, 2", "99999999999999999999"} {
		_, err := Numbers("--sizes", bad, 10)
		require.ErrorContains(t, err, "--sizes takes numbers from 1 to 10", bad)
	}
}

func TestNames(t *testing.T) {
	got, _, ok := Names("b,a,b", []string{"a", "b"})
	require.True(t, ok)
	require.Equal(t, []string{"b", "a"}, got)
	_, unknown, ok := Names("a,c", []string{"a", "b"})
	require.False(t, ok)
	require.Equal(t, "c", unknown)
	_, unknown, ok = Names("", []string{"a"})
	require.False(t, ok)
	require.Empty(t, unknown)
}

func TestError(t *testing.T) {
	err := error(&Error{Op: "filling", Workload: "A", Subscriptions: 7, Err: ErrMismatch})
	require.EqualError(t, err, "workload A, 7 subscriptions: filling: answers differ from the linear scan's")
	require.True(t, errors.Is(err, ErrMismatch))
}
