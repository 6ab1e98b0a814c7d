using ChannelSdk.Host.Files;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>The whole state of a guest, written to a file by its QEMU or read from one.</summary>
/// <param name="qmp">QEMU's machine protocol.</param>
/// <param name="words">What QEMU says, for a failure.</param>
/// <param name="hasMemory">Whether the guest's memory is in the file, or already where QEMU has it from.</param>
internal sealed class QemuState(QmpClient qmp, Func<string> words, bool hasMemory = true)
{
    private const string DescriptorName = "state";

    /// <summary>Stops the guest and writes its state; only this user can read the file.</summary>
    /// <exception cref="ChannelException">The file cannot be made, or why QEMU could not.</exception>
    public async Task SaveAsync(string path, CancellationToken cancellationToken)
    {
        using var file = Open(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        await qmp.ExecuteAsync("stop", null, cancellationToken).ConfigureAwait(false);
        await qmp.ExecuteAsync("migrate-set-parameters", "{\"max-bandwidth\":10000000000}", cancellationToken).ConfigureAwait(false);
        await MoveAsync("migrate", file, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads the state into a QEMU that waits for it.</summary>
    /// <exception cref="ChannelException">The file cannot be opened, or why QEMU could not.</exception>
    public async Task LoadAsync(string path, CancellationToken cancellationToken)
    {
        using var file = Open(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, BufferSize = 0 });
        await MoveAsync("migrate-incoming", file, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lets QEMU write its state to a file, or read it: an open one, so that no path is in any command.</summary>
    private async Task MoveAsync(string command, FileStream file, CancellationToken cancellationToken)
    {
        // Also when it is off: a QEMU that was restored without its memory is saved with it.
        await qmp.ExecuteAsync("migrate-set-capabilities", $"{{\"capabilities\":[{{\"capability\":\"x-ignore-shared\",\"state\":{(hasMemory ? "false" : "true")}}}]}}", cancellationToken).ConfigureAwait(false);
        await qmp.ExecuteAsync("getfd", $"{{\"fdname\":\"{DescriptorName}\"}}", file.SafeFileHandle, cancellationToken).ConfigureAwait(false);
        await qmp.ExecuteAsync(command, $"{{\"uri\":\"fd:{DescriptorName}\"}}", cancellationToken).ConfigureAwait(false);
        for (var status = ""; status != "completed";)
        {
            try
            {
                status = UntrustedJson.Text(await qmp.ExecuteAsync("query-migrate", null, cancellationToken).ConfigureAwait(false), "status");
            }
            catch (ChannelException e) when (e.Code == ChannelError.LinkLost)
            {
                status = "failed";
            }

            if (status is "failed" or "cancelled")
            {
                throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"QEMU could not save or restore the guest: {status}; {words()}");
            }

            await Task.Delay(2, cancellationToken).ConfigureAwait(false);
        }
    }

    private static FileStream Open(string path, FileStreamOptions options)
    {
        try
        {
            return new FileStream(path, options);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw LocalFile.ToException(e, path);
        }
    }
}
