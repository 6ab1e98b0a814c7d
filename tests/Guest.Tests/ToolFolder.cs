using System.Diagnostics;

namespace ChannelSdk.Guest.Tests;

/// <summary>channelctl as a process, with a folder for its state and other files that goes with it.</summary>
internal sealed class ToolFolder : IDisposable
{
    // Sockets lie below it.
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ch-");

    public string State => At("state");

    public string At(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>An executable file.</summary>
    public void Write(string name, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(name))!);
        File.WriteAllText(At(name), content);
        File.SetUnixFileMode(At(name), (UnixFileMode)0b111_101_101);
    }

    /// <summary>The beginning of a run.</summary>
    public static ProcessStartInfo Start(params string[] arguments) => new(Path.Combine(AppContext.BaseDirectory, "channelctl"), arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };

    /// <summary>Runs it to its end.</summary>
    public async Task<(int Code, string Out, string Error)> RunAsync(params string[] arguments)
    {
        string[] state = arguments[0] is "instance" or "install" or "snapshot" ? ["--state", State] : [];
        using var process = Process.Start(Start([.. arguments, .. state]))!;
        process.StandardInput.Close();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(6));
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var error = process.StandardError.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await output, await error);
    }

    /// <summary>Runs it to its good end; what it printed.</summary>
    public async Task<string> OkAsync(params string[] arguments)
    {
        var (code, output, error) = await RunAsync(arguments);
        Assert.True(code == 0, $"channelctl {string.Join(' ', arguments)}: code {code}: {output}{error}");
        return output;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
