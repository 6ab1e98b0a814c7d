using System.Diagnostics;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>channelctl cp and exec as a person runs them, against a real agent.</summary>
public class CopyAndExecToolTests
{
    [Fact]
    public async Task Files_go_both_ways_and_the_progress_is_lines_where_there_is_no_terminal()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        string source = rig.NewFile("source", 1_000_000);

        (int code, string output, string error) = await RunAsync(rig, "cp", rig.Uri, $"guest:{source}", rig.Local);
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith("25 % of 1000000 bytes\n50 % of", output, StringComparison.Ordinal);
        Assert.Contains("1000000 bytes (1000000 travelled)", output, StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllBytesAsync(source), await File.ReadAllBytesAsync(Path.Combine(rig.Local, "source")));

        Directory.CreateDirectory(Path.Combine(rig.Guest, "folder"));
        Assert.Equal(0, (await RunAsync(rig, "cp", rig.Uri, Path.Combine(rig.Local, "source"), $"guest:{rig.Guest}/folder/", "--preserve")).Code);
        Assert.Equal(1_000_000, new FileInfo(Path.Combine(rig.Guest, "folder/source")).Length);
        (code, _, error) = await RunAsync(rig, "cp", rig.Uri, Path.Combine(rig.Local, "source"), $"guest:{source}");
        Assert.Equal(4, code);
        Assert.Contains("exists", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_has_the_tools_streams_and_the_tool_the_programs_code()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        Assert.Equal((7, "abc|x y", "complaint\n"), await RunAsync(rig, "exec", rig.Uri, "--env", "V=x y", "--", "sh", "-c", "cat; printf \"|$V\"; echo complaint >&2; exit 7"));
        Assert.Equal(128 + 15, (await RunAsync(rig, "exec", rig.Uri, "--", "sh", "-c", "kill -TERM $$")).Code);
        (int code, _, string error) = await RunAsync(rig, "exec", rig.Uri, "--", "/nonexistent");
        Assert.Equal(125, code);
        Assert.Contains("/nonexistent", error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Out, string Error)> RunAsync(AgentRig rig, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "channelctl.dll"));
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(rig.Soon), error = process.StandardError.ReadToEndAsync(rig.Soon);
        try
        {
            await process.StandardInput.WriteAsync("abc");
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // A tool that fails does not read.
        }
        await process.WaitForExitAsync(rig.Soon);
        return (process.ExitCode, await output, await error);
    }
}
