package main

import (
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scbr/scbr/enclave/abi"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"routerd": main, "enclaved": fakeEnclaved})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// fakeEnclaved speaks just enough of the link to let routerd start and stop. The real one is run by the tests of bench, which may
// import everything.
func fakeEnclaved() {
	if len(os.Args) == 3 && os.Args[1] == "dev-init" {
		if os.MkdirAll(os.Args[2], 0o700) != nil {
			os.Exit(6)
		}
		return
	}
	mode := os.Getenv("FAKE_ENCLAVED")
	if len(os.Args) < 4 || os.Args[1] != "run" || os.Args[2] != "--socket" || mode == "dies at start" {
		os.Exit(5)
	}
	conn, err := net.Dial("unix", os.Args[3])
	if err != nil {
		os.Exit(4)
	}
	_, _ = conn.Write(abi.AppendReady(nil, [16]byte{}, [32]byte{}, true))
	switch mode {
	case "dies later":
		os.Exit(1)
	case "finds no sandbox later":
		os.Exit(5)
	}
	buf := make([]byte, 0, 4096)
	chunk := make([]byte, 4096)
	for {
		n, err := conn.Read(chunk)
		if err != nil {
			os.Exit(0)
		}
		buf = append(buf, chunk[:n]...)
		for {
			f, rest, err := abi.Next(buf)
			if err != nil {
				break
			}
			buf = rest
			if f.Type == abi.Shutdown {
				_, _ = conn.Write(abi.AppendBye(nil))
				os.Exit(0)
			}
		}
	}
}
