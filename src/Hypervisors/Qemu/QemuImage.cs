using System.Diagnostics;
using System.Text.Json;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Disk images, by qemu-img.</summary>
internal static class QemuImage
{
    /// <summary>Makes a disk that begins as another one and takes all writes to itself.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: qemu-img refuses, with its error output.</exception>
    public static async Task<string> OverlayAsync(string program, string disk, string format, string overlay, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])["create", "-q", "-f", "qcow2", "-F", format, "-b", Path.GetFullPath(disk), overlay])
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using var process = Process.Start(start)!;
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            return process.ExitCode == 0 ? overlay : throw Failed(disk, (await error.ConfigureAwait(false)).Trim());
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw Failed(disk, $"{program} cannot be started: {FileFault.Describe(e)}");
        }
    }

    /// <summary>A text as JSON, in quotes.</summary>
    public static string Json(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    private static ChannelException Failed(string disk, string error) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"no overlay can be made for the appliance's disk {disk}: {SafeText.Escape(error)}");
}
