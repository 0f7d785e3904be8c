// Package ownpager starts a pager process for a harness: the harness's own program again,
// which calls Serve first of all. What runs in an enclave starts no programs, so it is not
// in package pager. Nobody lies to it. It promises that the process ends with the region.
package ownpager

import (
	"os"
	"os/exec"

	"github.com/scbr/scbr/enclave/epc/pager"
)

const (
	// argument makes a program the pager of another run of it; no flag is like it.
	argument = "serve-epc-pager"
	// socket is the descriptor at which a pager finds its other end.
	socket = 3
)

// Serve is the whole work of a pager, if that is what this run of the program was started
// for; args are all of the program's arguments, its name included.
func Serve(args []string) (asked bool, err error) {
	if len(args) != 3 || args[1] != argument {
		return false, nil
	}
	policy, err := pager.ParsePolicy(args[2])
	if err != nil {
		return true, err
	}
	return true, pager.Serve(os.NewFile(socket, "pager"), pager.Config{Policy: policy})
}

// Region is a region with its pager.
type Region struct {
	*pager.Region
	cmd *exec.Cmd
}

// Start starts this program again as a pager with a policy, and attaches a region of size
// bytes to it. The process has the standard error of this one, and no part in interrupts
// from its terminal.
func Start(policy string, size int) (*Region, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := pager.Pair()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, argument, policy) // #nosec G204 -- the harness's own program
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
