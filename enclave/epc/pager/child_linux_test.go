package pager

import (
	"os"
	"os/exec"
)

// started is a region with its pager: this test binary, or another program.
type started struct {
	*Region
	child *exec.Cmd
}

func startChild(exe string, args []string, size int) (*started, error) {
	ours, theirs, err := Pair()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, args...)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_ = theirs.Close()
	r, err := Attach(ours, size)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	return &started{r, cmd}, nil
}

// Close ends the pager too.
func (s *started) Close() error {
	err := s.Region.Close()
	_ = s.child.Wait()
	return err
}
