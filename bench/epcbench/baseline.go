package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/scbr/scbr/bench/epcbench/measure"
)

// maxBaseline bounds a file of rows: far more than there are points.
const maxBaseline = 16 << 20

// baseline is the times of a run outside an enclave.
type baseline map[point]float64

// point is what makes two rows comparable.
type point struct {
	layout, workload, access string
	subscriptions, batch     int
}

func pointOf(r *measure.Row) point {
	return point{r.Layout, r.Workload, r.Access, r.Subscriptions, r.Batch}
}

func readBaseline(file string) (baseline, error) {
	f, err := os.Open(file) // #nosec G304 -- the user names it
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was read only
	var rows []measure.Row
	if err := json.NewDecoder(io.LimitReader(f, maxBaseline)).Decode(&rows); err != nil {
		return nil, fmt.Errorf("%w: --baseline: %w", errValue, err)
	}
	b := baseline{}
	for i := range rows {
		b[pointOf(&rows[i])] = rows[i].NsPerEvent
	}
	return b, nil
}

// complete gives a row of a real EPC the slowdown by the baseline, if that has the same point.
func (b baseline) complete(r measure.Row) measure.Row {
	if ns := b[pointOf(&r)]; ns > 0 {
		r.UnlimitedNs, r.Slowdown = ns, r.NsPerEvent/ns
	}
	return r
}
