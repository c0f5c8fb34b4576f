package dev.gatun;

import java.io.Serial;

/** There is no such device, driver, instruction set or backend here; the message says why. */
public class DeviceUnavailableException extends GatunException {
    @Serial
    private static final long serialVersionUID = 1;

    DeviceUnavailableException(String message) {
        super(message);
    }

    DeviceUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
