using System.Diagnostics;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>Runs programs of the system.</summary>
internal static class Programs
{
    /// <summary>What one prints; it must succeed.</summary>
    public static async Task<string> OutputAsync(CancellationToken cancellationToken, params string[] words)
    {
        var start = new ProcessStartInfo(words[0]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var word in words.AsSpan(1))
        {
            start.ArgumentList.Add(word);
        }

        using var process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken), errors = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        Assert.True(process.ExitCode == 0, $"{string.Join(' ', words)}: code {process.ExitCode}: {await errors}");
        return await output;
    }
}
