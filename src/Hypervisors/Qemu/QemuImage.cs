using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Disk images, by qemu-img.</summary>
internal static class QemuImage
{
    /// <summary>The format of overlays.</summary>
    public const string Qcow2 = "qcow2";

    /// <summary>Name of qemu-img.</summary>
    public const string UsualProgram = "qemu-img";

    /// <summary>Makes a disk that begins as another one and takes all writes to itself.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: qemu-img refuses, with its error output.</exception>
    public static async Task<string> OverlayAsync(string program, string disk, string format, string overlay, CancellationToken cancellationToken)
    {
        await RunAsync(program, disk, ["create", "-q", "-f", Qcow2, "-F", format, "-b", Path.GetFullPath(disk), overlay], cancellationToken).ConfigureAwait(false);
        return overlay;
    }

    /// <summary>As the other one, of a disk that is in use.</summary>
    /// <param name="program">Name of qemu-img.</param>
    /// <param name="disk">The disk.</param>
    /// <param name="overlay">Path of the new one.</param>
    /// <param name="bytes">What the guest sees as the disk's size.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static Task OverlayAsync(string program, TargetDisk disk, string overlay, long bytes, CancellationToken cancellationToken) => RunAsync(program, disk.Path,
        ["create", "-q", "-u", "-f", Qcow2, "-F", disk.Format, "-b", Path.GetFullPath(disk.Path), overlay, bytes.ToString(CultureInfo.InvariantCulture)], cancellationToken);

    private static async Task RunAsync(string program, string disk, string[] arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };

        try
        {
            using var process = Process.Start(start)!;
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            if (process.ExitCode != 0)
            {
                throw Failed(disk, (await error.ConfigureAwait(false)).Trim());
            }
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw Failed(disk, $"{program} cannot be started: {FileFault.Describe(e)}");
        }
    }

    /// <summary>A text as JSON, in quotes.</summary>
    public static string Json(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    private static ChannelException Failed(string disk, string error) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"no overlay can be made for the disk {disk}: {SafeText.Escape(error)}");
}
