package epc_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/enclave/epc"
)

const budget = 3<<20 + 4096

func newArena(t testing.TB) *epc.Arena {
	a, err := epc.New(budget)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func kindOf(err error) epc.Kind {
	var e *epc.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func TestBudgetBounds(t *testing.T) {
	for _, n := range []int64{-1, 0, epc.MinBudget - 1, epc.MaxBudget + 1, math.MaxInt64} {
		_, err := epc.New(n)
		require.Equal(t, epc.KindBadBudget, kindOf(err), n)
	}
}

func TestCommitRefusesBeyondTheBudgetAndChangesNothing(t *testing.T) {
	a := newArena(t)
	require.NoError(t, a.Commit(100))
	a.Region()[99] = 7
	for _, n := range []int{-1, budget + 1, math.MaxInt} {
		require.Equal(t, epc.KindBudget, kindOf(a.Commit(n)), n)
		require.EqualValues(t, 100, a.Committed())
		require.EqualValues(t, 7, a.Region()[99])
	}
	require.NoError(t, a.Commit(budget))
	a.Region()[budget-1] = 1
}

// TestMemory compares the arena with an ordinary slice under random growing,
// shrinking and writing.
func TestMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := epc.New(budget)
		require.NoError(t, err)
		defer func() { require.NoError(t, a.Close()) }()
		start := &a.Region()[0]
		model := []byte{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			n := rapid.IntRange(0, budget).Draw(t, "size")
			require.NoError(t, a.Commit(n))
			grown := make([]byte, n)
			copy(grown, model)
			model = grown
			require.True(t, start == &a.Region()[0], "the region moved")
			if n == 0 {
				continue
			}
			at := rapid.IntRange(0, n-1).Draw(t, "at")
			a.Region()[at], model[at] = 9, 9
			require.Equal(t, string(model), string(a.Region()[:n]))
		}
	})
}

// TestWhatIsGivenBackIsForgotten: also where memory cannot be taken away.
func TestWhatIsGivenBackIsForgotten(t *testing.T) {
	a := newArena(t)
	require.NoError(t, a.Commit(budget))
	for i := range a.Region() {
		a.Region()[i] = 1
	}
	require.NoError(t, a.Commit(1))
	require.NoError(t, a.Commit(budget))
	require.Equal(t, 1, bytes.Count(a.Region(), []byte{1}))
}

// TestUncommittedMemoryCannotBeTouched reads beyond the usable bytes in a child
// process, which must fail.
func TestUncommittedMemoryCannotBeTouched(t *testing.T) {
	if os.Getenv("EPC_TEST_TOUCH") == "1" {
		a := newArena(t)
		require.NoError(t, a.Commit(10))
		debug.SetPanicOnFault(true)
		defer func() {
			if recover() != nil {
				os.Exit(42)
			}
		}()
		t.Log(a.Region()[budget-1])
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestUncommittedMemoryCannotBeTouched$") //nolint:gosec // this test binary
	cmd.Env = append(os.Environ(), "EPC_TEST_TOUCH=1")
	err := cmd.Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 42, exit.ExitCode())
}
