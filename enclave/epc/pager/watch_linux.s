// This file lets watch_linux.go declare functions of the runtime without a body.
