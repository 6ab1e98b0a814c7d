using System.Diagnostics;

namespace ChannelSdk.InXen;

/// <summary>Programs of dom0, where the tests run.</summary>
internal static class Dom0
{
    /// <summary>Runs a line of shell to its end; what it wrote to its output, without the spaces around it.</summary>
    public static async Task<string> ShAsync(string line)
    {
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", line]) { RedirectStandardOutput = true })!;
        try
        {
            var output = await shell.StandardOutput.ReadToEndAsync(TestDomain.Soon);
            await shell.WaitForExitAsync(TestDomain.Soon);
            return output.Trim();
        }
        catch (OperationCanceledException)
        {
            shell.Kill(entireProcessTree: true);
            throw;
        }
    }
}
