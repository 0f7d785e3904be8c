package measure

import (
	"testing"
	"time"

	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/stretchr/testify/require"
)

// sweep measures with the model and returns the rows.
func sweep(t *testing.T, jobs ...Job) (rows []Row, left int) {
	s, err := Open(Config{
		Policy: epcmodel.FIFO, ModelCostUs: 10, AssumedCostUs: 20, Pass: time.Minute, Events: 200,
		Emit: func(r Row) error { rows = append(rows, r); return nil },
	})
	require.NoError(t, err)
	for _, j := range jobs {
		n, err := s.Do(j)
		require.NoError(t, err)
		left += n
	}
	return rows, left
}

// TestContrastFaultsAndOursDoesNot: at twice the EPC the poset faults hundreds of
// times an event; package matcher with the same subscriptions never does.
func TestContrastFaultsAndOursDoesNot(t *testing.T) {
	const epc = 1 << 20
	rows, left := sweep(t, Job{
		Workload: "A", Layout: Contrast, Overflow: Pager, Points: []Point{{Bytes: epc / 2}, {Bytes: 2 * epc}}, EPC: []int64{epc},
		Accesses: []string{Match, Register}, Batches: []int{1}, Pages: true,
	})
	require.Zero(t, left)
	require.Len(t, rows, 4)
	inside, insideRegister, beyond, beyondRegister := rows[0], rows[1], rows[2], rows[3]
	require.Zero(t, inside.FaultsPerEvent)
	require.InDelta(t, 1, inside.Slowdown, 0)
	require.Zero(t, insideRegister.FaultsPerEvent)
	require.InDelta(t, 2, beyond.StoreMB, 0.01)
	require.Greater(t, beyond.FaultsPerEvent, 400.0, "nearly every page, each time")
	require.LessOrEqual(t, beyond.FaultsPerEvent, 512.0)
	require.InDelta(t, *beyond.PagesPerEvent, beyond.FaultsPerEvent, 112)
	require.Greater(t, beyondRegister.FaultsPerEvent, 800.0, "the way through the roots is walked twice")
	for _, r := range rows {
		require.Equal(t, FromModel, r.Source)
		require.Equal(t, "fifo", r.Policy)
		require.Equal(t, 10.0, r.FaultCostUs)
		require.InEpsilon(t, r.UnlimitedNs+r.FaultsPerEvent*10_000, r.NsPerEvent, 0.01)
		require.InEpsilon(t, (r.UnlimitedNs+r.FaultsPerEvent*20_000)/r.UnlimitedNs, *r.AssumedSlowdown, 0.01)
	}

	rows, left = sweep(t, Job{
		Workload: "A", Layout: Ours, Overflow: Pager, Points: []Point{{Subscriptions: beyond.Subscriptions}}, EPC: []int64{epc},
		Accesses: []string{Match, Register}, Batches: []int{1}, Pages: true,
	})
	require.Equal(t, 1, left, "package matcher does not say what insertions touch")
	require.Len(t, rows, 1)
	require.Zero(t, rows[0].FaultsPerEvent)
	require.InDelta(t, 1, rows[0].Slowdown, 0)
	require.Positive(t, rows[0].MatchesPerEvent)
	require.Positive(t, *rows[0].PagesPerEvent)
}

// TestSpill: a store of more than its budget brings parts back, fewer than it has pages
// to look at, and answers as it should.
func TestSpill(t *testing.T) {
	const epc, store = 2 << 20, 5 << 19
	rows, left := sweep(t, Job{
		Workload: "A", Layout: Ours, Overflow: Spill, Points: []Point{{Bytes: epc / 2}, {Bytes: store}}, EPC: []int64{epc},
		Accesses: []string{Match}, Batches: []int{1},
	})
	require.Zero(t, left)
	require.Len(t, rows, 2)
	require.Zero(t, rows[0].FaultsPerEvent)
	require.Positive(t, rows[1].FaultsPerEvent)
	require.Less(t, rows[1].FaultsPerEvent, 2.0, "a cluster is one part or two")
	require.InEpsilon(t, 2.5, rows[1].StoreMB, 0.1)
	require.Nil(t, rows[1].AssumedSlowdown, "its parts are no pages")
}

// TestPaged: one store is measured both ways, and registrations reach each copy.
func TestPaged(t *testing.T) {
	const epc = 2 << 20
	j := Job{
		Workload: "A", Layout: Ours, Overflow: Spill, Points: []Point{{Bytes: epc}, {Bytes: 5 << 19}}, EPC: []int64{epc},
		Accesses: []string{Match, Register}, Batches: []int{1, 64}, Paged: true,
	}
	require.Equal(t, 8, j.Rows())
	rows, left := sweep(t, j)
	require.Equal(t, 2, left, "registrations of package matcher, which the model does not see")
	require.Len(t, rows, 6)
	for i, overflow := range []string{Spill, Spill, Pager, Spill, Spill, Pager} {
		require.Equal(t, overflow, rows[i].Overflow)
	}
	require.Positive(t, rows[5].FaultsPerEvent)
	require.Less(t, rows[4].FaultsPerEvent, rows[3].FaultsPerEvent, "a batch needs each part once")
}

func TestBadJobs(t *testing.T) {
	s, err := Open(Config{Policy: epcmodel.FIFO})
	require.NoError(t, err)
	good := Job{
		Workload: "A", Layout: Ours, Overflow: Pager, Points: []Point{{Subscriptions: 10}}, EPC: []int64{MinEPC},
		Accesses: []string{Match}, Batches: []int{1},
	}
	for name, spoil := range map[string]func(j *Job){
		"layout":    func(j *Job) { j.Layout = "theirs" },
		"overflow":  func(j *Job) { j.Overflow = "" },
		"spill":     func(j *Job) { j.Layout, j.Overflow = Contrast, Spill },
		"paged":     func(j *Job) { j.Paged = true },
		"registers": func(j *Job) { j.Overflow, j.Accesses = Spill, []string{Register} },
		"access":    func(j *Job) { j.Accesses = []string{"remove"} },
		"no access": func(j *Job) { j.Accesses = nil },
		"epc":       func(j *Job) { j.EPC = []int64{MinEPC - 1} },
		"batch":     func(j *Job) { j.Batches = []int{0} },
		"size":      func(j *Job) { j.Points = []Point{{Bytes: MaxBytes + 1}} },
		"order":     func(j *Job) { j.Points = []Point{{Bytes: 2}, {Bytes: 1}} },
	} {
		j := good
		spoil(&j)
		_, err := s.Do(j)
		require.ErrorIs(t, err, ErrJob, name)
		var e *Error
		require.ErrorAs(t, err, &e, name)
	}
	good.Workload = "nonsense"
	_, err = s.Do(good)
	require.Error(t, err)
}
