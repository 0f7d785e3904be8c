// Package ownpager starts a pager process for a harness: this program again, or another
// that calls pager.Serve on its descriptor 3. What runs in an enclave starts no programs, so
// it is not in package pager. Nobody lies to it. It promises that the process ends with
// the region.
package ownpager

import (
	"os"
	"os/exec"

	"github.com/scbr/scbr/enclave/epc/pager"
)

// Region is a region with its pager.
type Region struct {
	*pager.Region
	cmd *exec.Cmd
}

// Start starts exe with args and attaches a region of size bytes to it. The process has
// the standard error of this one, and no part in interrupts from its terminal.
func Start(exe string, args []string, size int) (*Region, error) {
	ours, theirs, err := pager.Pair()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, args...) // #nosec G204 -- the harness's own program
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = apart()
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	r, err := pager.Attach(ours, size)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	return &Region{r, cmd}, nil
}

// Close gives the region up and waits for the process.
func (r *Region) Close() error {
	err := r.Region.Close()
	_ = r.cmd.Wait() // its own error is on its standard error
	return err
}
