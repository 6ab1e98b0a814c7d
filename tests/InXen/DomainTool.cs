using System.Diagnostics;

namespace ChannelSdk.InXen;

/// <summary>channelctl in dom0.</summary>
internal static class DomainTool
{
    /// <summary>Runs it to its good end; what it printed.</summary>
    /// <param name="arguments">Its arguments, the command first.</param>
    public static Task<string> RunAsync(params string[] arguments) => RunAsync(null, arguments);

    /// <summary>As the other one, with a folder whose programs come before others of their names.</summary>
    public static async Task<string> RunAsync(string? programs, string[] arguments)
    {
        var (code, output, error) = await StartAsync(programs, arguments);
        Assert.True(code == 0, $"channelctl {string.Join(' ', arguments)}: code {code}: {output}{error}");
        return output;
    }

    /// <summary>Runs it to its end; its exit code and what it printed.</summary>
    public static async Task<(int Code, string Output, string Error)> StartAsync(string? programs, string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [Path.Combine(AppContext.BaseDirectory, "channelctl.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = programs is null ? start.Environment["PATH"] : $"{programs}:{start.Environment["PATH"]}";
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(TestDomain.Soon), process.StandardError.ReadToEndAsync(TestDomain.Soon));
        await process.WaitForExitAsync(TestDomain.Soon);
        return (process.ExitCode, await output, await error);
    }
}
