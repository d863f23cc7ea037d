return {big_number='1
2'}