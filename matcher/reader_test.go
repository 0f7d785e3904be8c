package matcher

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// What the model knows: subscriptions 0..63 are there or not.
type operation struct {
	kind byte // insert, remove, match
	id   uint
}

func setModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return uint64(0) },
		Step: func(state, input, output any) (bool, any) {
			set, op := state.(uint64), input.(operation)
			switch op.kind {
			case 'i':
				return true, set | 1<<op.id
			case 'r':
				return true, set &^ (1 << op.id)
			default:
				return output.(uint64) == set, set
			}
		},
	}
}

// TestLinearizable: what readers see while the writer changes the store is, each
// time, the state of one moment between the beginning and the end of the match.
// Each subscription has lanes in several clusters.
func TestLinearizable(t *testing.T) {
	s := newStore(t, 1<<22, Config{Seed: 9})
	s.portable = true // so that the race detector sees every access
	f := parse(t, "x = 5 OR x IN (4, 5) AND y > 1 OR x > 3")
	for i := range uint64(500) { // neighbours that make blocks split and join
		_, err := s.Insert(parse(t, "x < 0 AND z > 1"), 1000+i)
		require.NoError(t, err)
	}
	var clock atomic.Int64
	var lock sync.Mutex
	var history []porcupine.Operation
	record := func(client int, op operation, do func() uint64) {
		call := clock.Add(1)
		out := do()
		end := clock.Add(1)
		lock.Lock()
		defer lock.Unlock()
		history = append(history, porcupine.Operation{ClientId: client, Input: op, Call: call, Output: out, Return: end})
	}
	var stop atomic.Bool
	var wait sync.WaitGroup
	for client := range 3 {
		wait.Go(func() {
			r := s.NewReader()
			defer r.Close()
			e := integer(t, "x", 5)
			var tags []uint64
			for range 400 {
				if stop.Load() {
					return
				}
				record(1+client, operation{kind: 'm'}, func() uint64 {
					tags = r.Match(&e, tags[:0])
					var set uint64
					for _, tag := range tags {
						set |= 1 << tag
					}
					return set
				})
			}
		})
	}
	var handles [64]Handle
	for round := range 300 {
		id := uint(round*7) % 64
		if handles[id] == 0 {
			record(0, operation{'i', id}, func() uint64 {
				h, err := s.Insert(f, uint64(id))
				require.NoError(t, err)
				handles[id] = h
				return 0
			})
		} else {
			record(0, operation{'r', id}, func() uint64 {
				require.NoError(t, s.Remove(handles[id]))
				handles[id] = 0
				return 0
			})
		}
	}
	stop.Store(true)
	wait.Wait()
	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(setModel(), history, time.Minute))
	s.reclaim()
	require.Equal(t, s.limboHead, len(s.limbo), "nothing is kept for readers that have gone")
}
