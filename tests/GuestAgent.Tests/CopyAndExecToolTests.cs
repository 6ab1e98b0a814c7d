using System.Diagnostics;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>channelctl cp and exec as a person runs them, against a real agent.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class CopyAndExecToolTests
{
    [Fact]
    public async Task Files_go_both_ways_and_the_progress_is_lines_where_there_is_no_terminal()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        var source = rig.NewFile("source", 1_000_000);

        var (code, output, error) = await RunAsync(rig, "cp", rig.Uri, $"guest:{source}", rig.Local);
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
    public async Task A_folder_in_the_guest_takes_a_file_by_its_name_with_and_without_a_slash()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        var source = Path.Combine(rig.Local, "name");
        await File.WriteAllTextAsync(source, "content");
        foreach (var folder in (string[])[$"{rig.Guest}/with/", $"{rig.Guest}/without"])
        {
            Directory.CreateDirectory(folder);
            Assert.Equal(0, (await RunAsync(rig, "cp", rig.Uri, source, $"guest:{folder}")).Code);
            Assert.Equal("content", await File.ReadAllTextAsync(Path.Combine(folder, "name")));
        }
    }

    [Fact]
    public async Task A_hyphen_is_a_standard_stream_and_a_file_of_that_name_is_reached_by_a_path()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        Assert.Equal((0, ""), (await RunAsync(rig, "cp", rig.Uri, "-", $"guest:{rig.Guest}/in")) is var read ? (read.Code, read.Error) : default);
        Assert.Equal("abc", await File.ReadAllTextAsync(Path.Combine(rig.Guest, "in")));
        var (code, output, error) = await RunAsync(rig, "cp", rig.Uri, $"guest:{rig.Guest}/in", "-");
        Assert.Equal((0, "abc"), (code, output));
        Assert.Contains("3 bytes", error, StringComparison.Ordinal);

        await File.WriteAllTextAsync(Path.Combine(rig.Local, "-"), "hyphen");
        Assert.Equal(0, (await RunAsync(rig, "cp", rig.Uri, $"{rig.Local}/-", $"guest:{rig.Guest}")).Code);
        Assert.Equal("hyphen", await File.ReadAllTextAsync(Path.Combine(rig.Guest, "-")));
        Assert.Empty(Directory.GetFiles(AppContext.BaseDirectory, "-"));

        (code, _, error) = await RunAsync(rig, "cp", rig.Uri, "-", $"guest:{rig.Guest}");
        Assert.Equal(2, code);
        Assert.Contains("standard input has no name", error, StringComparison.Ordinal);
        Assert.Contains("./-", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pipe_is_no_file_to_copy_and_does_not_block()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        var pipe = Path.Combine(rig.Local, "pipe");
        Assert.Equal(0, await ChildProcess.RunAsync("/usr/bin/mkfifo", pipe));
        var (code, _, error) = await RunAsync(rig, "cp", rig.Uri, pipe, $"guest:{rig.Guest}/x");
        Assert.Equal(4, code);
        Assert.Contains($"{pipe}: it is no regular file", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_has_the_tools_streams_and_the_tool_the_programs_code()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        Assert.Equal((7, "abc|x y", "complaint\n"), await RunAsync(rig, "exec", rig.Uri, "--env", "V=x y", "--", "sh", "-c", "cat; printf \"|$V\"; echo complaint >&2; exit 7"));
        Assert.Equal(128 + 15, (await RunAsync(rig, "exec", rig.Uri, "--", "sh", "-c", "kill -TERM $$")).Code);
        var (code, _, error) = await RunAsync(rig, "exec", rig.Uri, "--", "/nonexistent");
        Assert.Equal(125, code);
        Assert.Contains("/nonexistent", error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Out, string Error)> RunAsync(AgentRig rig, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "channelctl.dll"));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
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
