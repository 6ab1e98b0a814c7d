using System.Diagnostics;
using System.Globalization;
using ChannelSdk.GuestAgent.Generation;

namespace ChannelSdk.GuestAgent.Tests.Repair;

/// <summary>Programs that use the page, in C and Python.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class GenerationProgramTests : IDisposable
{
    private static readonly byte[] s_first = [.. Enumerable.Repeat((byte)1, 16)];
    private static readonly byte[] s_second = [.. Enumerable.Repeat((byte)2, 16)];
    private readonly TestDirectory _folder = new();
    private readonly CancellationTokenSource _soon = new(TimeSpan.FromSeconds(60));

    private GenerationPage Page => new(_folder["page"]);

    public void Dispose()
    {
        _folder.Dispose();
        _soon.Dispose();
    }

    [Fact]
    public async Task The_fields_are_where_the_kernels_header_has_them()
    {
        // The members and their order as in include/uapi/linux/vmclock-abi.h of Linux 7.0.
        await File.WriteAllTextAsync(_folder["layout.c"], """
            #include <stddef.h>
            #include <stdint.h>
            #include <stdio.h>
            struct vmclock_abi {
              uint32_t magic; uint32_t size; uint16_t version; uint8_t counter_id; uint8_t time_type;
              uint32_t seq_count; uint64_t disruption_marker; uint64_t flags; uint8_t pad[2]; uint8_t clock_status;
              uint8_t leap_second_smearing_hint; uint16_t tai_offset_sec; uint8_t leap_indicator; uint8_t counter_period_shift;
              uint64_t counter_value; uint64_t counter_period_frac_sec; uint64_t counter_period_esterror_rate_frac_sec;
              uint64_t counter_period_maxerror_rate_frac_sec; uint64_t time_sec; uint64_t time_frac_sec;
              uint64_t time_esterror_nanosec; uint64_t time_maxerror_nanosec; uint64_t vm_generation_counter;
            };
            int main(int argc, char **argv) {
              struct vmclock_abi c = {0};
              FILE *f = fopen(argv[1], "r");
              if (!f || fread(&c, sizeof c, 1, f) != 1) return 1;
              printf("%zu %#x %u %u %u %u %llu %llu %u %llu\n", sizeof c, c.magic, c.size, c.version, c.counter_id, c.seq_count,
                (unsigned long long)c.disruption_marker, (unsigned long long)c.flags, c.clock_status, (unsigned long long)c.vm_generation_counter);
              return 0;
            }
            """, _soon.Token);
        await CompileAsync(_folder["layout.c"], "layout");
        Page.Publish(s_first);
        using var program = Start(_folder["layout"], Page.Path);

        var counter = GenerationPage.CounterOf(s_first);
        Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"112 0x4b4c4356 4096 1 255 2 {counter} 768 0 {counter}"), await program.StandardOutput.ReadLineAsync(_soon.Token));
    }

    [Fact]
    public async Task The_example_in_C_sees_each_change()
    {
        await CompileAsync(Example("generation.c"), "generation");
        Page.Publish(s_first);
        using var program = Start(_folder["generation"], Page.Path);
        // It is known to wait once it has its watch.
        while (!File.ReadAllText($"/proc/{program.Id}/wchan").Contains("inotify", StringComparison.Ordinal) && !Directory.EnumerateFiles($"/proc/{program.Id}/fdinfo").Any(static f => ReadOrEmpty(f).Contains("inotify wd", StringComparison.Ordinal)))
        {
            await Task.Delay(5, _soon.Token);
        }

        await Task.Delay(50, _soon.Token);
        Page.Publish(s_second);

        Assert.Equal(GenerationPage.CounterOf(s_second).ToString("x16", CultureInfo.InvariantCulture), await program.StandardOutput.ReadLineAsync(_soon.Token));
        Page.Publish(s_first);
        Assert.Equal(GenerationPage.CounterOf(s_first).ToString("x16", CultureInfo.InvariantCulture), await program.StandardOutput.ReadLineAsync(_soon.Token));
        program.Kill();
    }

    [Fact]
    public async Task The_example_in_Python_does_not_go_on_with_the_numbers_of_the_original()
    {
        Page.Publish(s_first);
        using var program = Start("/usr/bin/python3", Example("generation.py"), Page.Path);
        var seen = new HashSet<string>();
        for (var i = 0; i < 6; i++)
        {
            if (i == 3)
            {
                Page.Publish(s_second);
            }

            await program.StandardInput.WriteLineAsync("next".AsMemory(), _soon.Token);
            await program.StandardInput.FlushAsync(_soon.Token);
            var line = await program.StandardOutput.ReadLineAsync(_soon.Token);
            Assert.Matches("^[0-9a-f]{32}$", line);
            Assert.True(seen.Add(line!));
        }

        program.StandardInput.Close();
        await program.WaitForExitAsync(_soon.Token);
        Assert.Equal(0, program.ExitCode);
    }

    private static string Example(string name)
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "ChannelSdk.sln")))
        {
            root = Path.GetDirectoryName(root)!;
        }

        return Path.Combine(root, "examples/generation", name);
    }

    private static string ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static Process Start(string program, params string[] arguments) => Process.Start(new ProcessStartInfo(program, arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
    })!;

    private async Task CompileAsync(string source, string program)
    {
        using var compiler = Start("cc", "-Wall", "-Werror", "-O2", "-o", _folder[program], source);
        await compiler.WaitForExitAsync(_soon.Token);
        Assert.Equal(0, compiler.ExitCode);
    }
}
