using System.Runtime.InteropServices;

namespace ChannelSdk.Linux.Native;

/// <summary>
/// Keeps what a handle stands for while raw numbers or addresses of it are used: a disposal meanwhile takes effect at the end of the
/// hold.
/// </summary>
public readonly ref struct HandleHold
{
    private readonly SafeHandle _handle;

    /// <summary>Begins the hold.</summary>
    /// <exception cref="ObjectDisposedException">The handle was disposed of before.</exception>
    public HandleHold(SafeHandle handle)
    {
        var added = false;
        handle.DangerousAddRef(ref added);
        _handle = handle;
    }

    public void Dispose() => _handle.DangerousRelease();
}
