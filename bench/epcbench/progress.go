package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/scbr/scbr/bench/epcbench/measure"
)

// throttle bounds how often the bar is drawn, and slowly how often where nobody is watching.
const (
	throttle = 100 * time.Millisecond
	slowly   = 5 * time.Second
)

// Units of the bar are rows of half a second: what filling a MiB takes of that, roughly.
const (
	rowUnits      = 20
	oursUnits     = 1 // a MiB
	contrastUnits = 2
	spillUnits    = 4
)

// progress is a bar of work done, with an estimate of when it ends.
type progress struct {
	bar                    *progressbar.ProgressBar
	w                      io.Writer
	start                  time.Time
	before, fill, rows, by int // units of the jobs before and of this one's store; its rows; units of a MiB
}

func newProgress(w io.Writer, o options) *progress {
	every := slowly
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		every = throttle
	}
	return &progress{w: w, start: time.Now(), bar: progressbar.NewOptions(o.units(), progressbar.OptionSetWriter(w), progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(true), progressbar.OptionThrottle(every), progressbar.OptionFullWidth(),
		progressbar.OptionSetDescription("epcbench"))}
}

// fillUnits are those of a MiB of a job's store.
func fillUnits(j *measure.Job) int {
	switch {
	case j.Layout == measure.Contrast:
		return contrastUnits
	case j.Overflow == measure.Spill:
		return spillUnits
	default:
		return oursUnits
	}
}

func jobUnits(j *measure.Job) int {
	return j.Rows()*rowUnits + int(j.Points[len(j.Points)-1].Bytes/measure.MiB)*fillUnits(j)
}

// units are those of a plan, as far as it is known before.
func (o *options) units() (n int) {
	var known []measure.Row
	for _, next := range o.plan() {
		j, ok := next(known)
		if !ok {
			continue
		}
		n += jobUnits(&j)
		if j.Layout == measure.Contrast { // as sameNumbers will find them
			for range j.Points {
				known = append(known, measure.Row{Layout: j.Layout, Workload: j.Workload, Access: j.Accesses[0]})
			}
		}
	}
	return n
}

// begin is told the job that comes, and end that it is over.
func (p *progress) begin(j *measure.Job) { p.fill, p.rows, p.by = 0, 0, fillUnits(j) }

func (p *progress) end(j *measure.Job) {
	p.before += jobUnits(j)
	p.fill, p.rows = 0, 0
	p.set()
}

func (p *progress) note(bytes int64, what string) {
	p.fill = int(bytes/measure.MiB) * p.by
	p.bar.Describe(what + ", " + p.eta())
	p.set()
}

func (p *progress) row() {
	p.rows++
	p.set()
}

// eta is when all is done, if it goes on as it did.
func (p *progress) eta() string {
	done := p.before + p.fill + p.rows*rowUnits
	if done <= 0 {
		return "ETA unknown"
	}
	left := time.Since(p.start) * time.Duration(max(p.bar.GetMax()-done, 0)) / time.Duration(done)
	return "ETA " + left.Round(time.Second).String()
}

func (p *progress) set() { _ = p.bar.Set(min(p.before+p.fill+p.rows*rowUnits, p.bar.GetMax())) }

// say writes a line above the bar.
func (p *progress) say(what string) {
	_ = p.bar.Clear()
	_, _ = fmt.Fprintln(p.w, what)
}

func (p *progress) finish() {
	_ = p.bar.Exit()
	_, _ = fmt.Fprintln(p.w)
}
